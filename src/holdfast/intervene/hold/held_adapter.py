"""A PEFT model whose adapters are held: whatever saves the adapter writes the mask beside it.

The adapter by itself can't carry the hold, because s B A has values at the protected entries and plain PEFT applies
them. A trainer saves an adapter by the model's own `save_pretrained`: in `save_model`, for every checkpoint, and when
it pushes to the hub. So the hold lies there, in a class before the model's own, and no save can go past it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from holdfast.adapter_folder import MASK_FILE as MASK_FILE
from holdfast.artifacts import save_mask
from holdfast.json_files import save_text
from holdfast.values import Mask

NOTE = """## Held weights

This adapter was trained with {count:,} weights of its base model held at their values (`{file}`). The adapter alone
does not hold them: plain PEFT, and any server that takes the adapter, moves them. Two ways keep the hold:

- load the adapter with `holdfast.load_protected(base, folder)`;
- make a checkpoint with `holdfast.merge_protected(model)` and `save_pretrained`, and use that one.
"""


class HeldAdapter(nn.Module):
    """Stands before the class of a PeftModel, e.g. `PeftModelForCausalLM`, while its adapters are held."""

    hold: Any
    """The LoraProtection that holds it."""
    peft_config: dict[str, Any]

    def save_pretrained(self, save_directory: str, *args: Any, is_main_process: bool = True, **kwargs: Any) -> None:
        """PEFT's save, with the mask beside every adapter that it writes."""
        super().save_pretrained(save_directory, *args, is_main_process=is_main_process, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if is_main_process:
            write_beside(Path(save_directory), self.peft_config, self.hold.mask)
            self.hold.warn(save_directory)


def write_beside(folder: Path, adapters: Iterable[str], mask: Mask) -> None:
    """Writes the mask beside each of these adapters in a folder, and into its README that they do not hold alone."""
    for place in (folder, *(folder / name for name in adapters)):  # where PEFT puts 'default', and those of other names
        if (place / "adapter_config.json").is_file():
            save_mask(place / MASK_FILE, mask)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if NOTE.splitlines()[0] not in text:
        note = NOTE.format(count=len(mask), file=MASK_FILE)
        save_text(card, f"{text.rstrip()}\n\n{note}" if text else note)
