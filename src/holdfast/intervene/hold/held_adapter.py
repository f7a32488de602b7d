"""A PEFT model whose adapters are held: every save of an adapter writes the mask beside it.

The adapter alone can't carry the hold, because s B A has values at the protected entries and plain PEFT applies them.
A trainer saves an adapter by the model's own `save_pretrained`: in `save_model`, for every checkpoint, and when it
pushes to the hub. HeldAdapter overrides that method, so no save can bypass it.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from peft import PeftConfig
from torch import nn

from holdfast.adapter_folder import MASK_FILE as MASK_FILE
from holdfast.artifacts import save_mask
from holdfast.json_files import save_text
from holdfast.values import Mask

METADATA = re.compile(r"---\n.*?\n---\n", re.DOTALL)
NOTE = """## Held weights

This adapter was trained with {count:,} weights of its base model held at their values (`{file}`). The adapter alone
does not hold them: plain PEFT, and any server that takes the adapter, moves them. Two ways keep the hold:

- load the adapter with `holdfast.load_protected(base, folder)`;
- make a checkpoint with `holdfast.merge_protected(model)` and `save_pretrained`, save the tokenizer in the
  same folder, and use that one.
"""


class Hold(Protocol):
    """A hold on adapters, which `lora.py` makes."""

    @property
    def mask(self) -> Mask: ...
    def warn(self, folder: object) -> None: ...


class HeldAdapter(nn.Module):
    """Mixin in front of a PeftModel's class, e.g. `PeftModelForCausalLM`, while its adapters are held."""

    hold: "Hold"
    peft_config: dict[str, PeftConfig]

    def save_pretrained(
        self, save_directory: str, *args: object, is_main_process: bool = True, **kwargs: object
    ) -> None:
        """Saves as PEFT does, and writes the mask beside every adapter."""
        super().save_pretrained(save_directory, *args, is_main_process=is_main_process, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if is_main_process:
            write_beside(Path(save_directory), self.peft_config, self.hold.mask)
            self.hold.warn(save_directory)


def write_beside(folder: Path, adapters: Iterable[str], mask: Mask) -> None:
    """Writes the mask beside each of these adapters, and a note into the folder's README that they don't hold alone."""
    # PEFT puts the adapter 'default' into the folder itself, and others into folders of their names.
    for adapter_folder in (folder, *(folder / name for name in adapters)):
        if (adapter_folder / "adapter_config.json").is_file():
            save_mask(adapter_folder / MASK_FILE, mask)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if NOTE.splitlines()[0] not in text:
        save_text(card, _with_note(text, NOTE.format(count=len(mask), file=MASK_FILE)))


def _with_note(card: str, note: str) -> str:
    """Puts the note at the top of a card, below the metadata between two lines of dashes that only hubs read."""
    head = METADATA.match(card)
    metadata, text = (head[0], card[head.end() :]) if head else ("", card)
    return "\n".join(filter(None, (metadata, note, text.lstrip("\n"))))
