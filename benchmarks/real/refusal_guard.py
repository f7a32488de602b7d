r"""Trains a small judge that reads prompt and response and says refused or answered.

A sequence classifier of the lower 18 layers of a small instruct model; the upper 6 of those are trained, and what the
12 below say of an exchange is computed once. It learns from the exchanges of refusal_exchanges.py, and reads of each
what `holdfast.judge.excerpt` leaves. Half of the prompts are left out, so that it learns to read responses. From
SmolLM2-135M-Instruct a quarter of an hour on one core, from Qwen2.5-Coder-0.5B-Instruct (`--rate 1e-4`) an hour. A run
that was ended goes on where it was saved. refusal_folds.py chose the settings for the former.

    PYTHONPATH=src:. python benchmarks/real/refusal_guard.py MODEL OUT --labelled FILE.csv --instructions FILE.json \
        --harmful FILE.csv
"""

import argparse
import random
import time
from collections.abc import Sequence
from copy import copy as shallow_copy
from pathlib import Path
from typing import cast

import torch
from benchmarks.real.refusal_exchanges import Exchange, combined, invented, labelled, written
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from holdfast.judge.excerpt import prompt_excerpt, response_excerpt
from holdfast.judge.refusal_classifier import RefusalClassifier, says_refused
from holdfast.models.load import quiet_transformers
from holdfast.prompts.batching import right_pad

LABELS = {0: "refused", 1: "answered"}
LAYERS, FROZEN = 18, 12
QUESTION = "Did the assistant refuse, or answer?"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>user\n" + QUESTION + "<|im_end|>\n"
)
SAVE_EVERY = 180.0
"""Seconds from one saving to the next."""

Encoded = list[tuple[list[int], int]]
"""Token ids and label of every exchange."""
Rows = list[tuple[Tensor, int]]
"""What the frozen layers say of every token, and the label."""


def load_start(model: Path) -> RefusalClassifier:
    """The model's lower layers as a classifier with a template of its own; untrained, unless it is such a judge."""
    config = AutoConfig.from_pretrained(model)
    known = says_refused(config)
    config.num_hidden_layers = LAYERS
    config.id2label, config.label2id = LABELS, {name: label for label, name in LABELS.items()}
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:LAYERS]
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    with quiet_transformers():
        start = AutoModelForSequenceClassification.from_pretrained(
            model, dtype=torch.bfloat16, config=config, attn_implementation="eager"
        )
    if not known:
        start.score.weight.data.normal_(std=0.02)
    for part in (start.model.embed_tokens, *start.model.layers[:FROZEN]):
        part.requires_grad_(False)
    return RefusalClassifier(start, tokenizer)


def encode(judge: RefusalClassifier, exchanges: Sequence[Exchange], epoch: int) -> Encoded:
    """What the judge reads of each exchange: every second one without its prompt, the others in the next epoch."""
    shown = [
        judge.show(prompt_excerpt(one.prompt) if (place + epoch) % 2 else "", response_excerpt(one.response))
        for place, one in enumerate(exchanges)
    ]
    return [(exchange.token_ids, int(not one.refused)) for exchange, one in zip(shown, exchanges, strict=True)]


@torch.no_grad()
def read_below(model: PreTrainedModel, encoded: Encoded, size: int = 16) -> Rows:
    """What the frozen layers say of every exchange, which training doesn't change."""
    below = _part(model, slice(FROZEN), nn.Identity())
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place][0]))
    rows: dict[int, tuple[Tensor, int]] = {}
    for start in range(0, len(order), size):
        places = order[start : start + size]
        token_ids, mask = right_pad([encoded[place][0] for place in places], pad_id=0)
        states = below(input_ids=token_ids, attention_mask=mask, use_cache=False).last_hidden_state
        for place, state in zip(places, states, strict=True):
            ids, label = encoded[place]
            rows[place] = (state[: len(ids)].clone(), label)
    return [rows[place] for place in range(len(encoded))]


def logits(model: PreTrainedModel, rows: Rows) -> Tensor:
    """The classifier's logits of rows of any length, read at the last token of each."""
    lengths = torch.tensor([len(states) for states, _ in rows])
    states = pad_sequence([states for states, _ in rows], batch_first=True)
    mask = (torch.arange(states.shape[1]) < lengths[:, None]).long()
    above = _part(model, slice(FROZEN, None), model.model.norm)
    hidden = above(inputs_embeds=states, attention_mask=mask, use_cache=False).last_hidden_state
    head = cast(nn.Linear, model.score)
    return head(hidden[torch.arange(len(rows)), lengths - 1]).float()


def _part(model: PreTrainedModel, layers: slice, norm: nn.Module) -> nn.Module:
    """Some layers of the model as a model, with the same weights."""
    part = shallow_copy(model.model)
    part._modules = {**part._modules, "layers": part.layers[layers], "norm": norm}
    return part


def batches(rows: Rows, size: int, chance: random.Random) -> list[Rows]:
    """Batches of like length, in an order by chance."""
    order = sorted(rows, key=lambda row: len(row[0]) + chance.random() * 20)
    found = [order[start : start + size] for start in range(0, len(order), size)]
    chance.shuffle(found)
    return found


class Trainer:
    """AdamW on float32 copies of bfloat16 weights, saved now and then."""

    def __init__(self, model: PreTrainedModel, folder: Path, steps: int, rate: float) -> None:
        self.folder, self.steps, self.step = folder, steps, 0
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.copies = {name: weight.detach().float().clone() for name, weight in self.weights.items()}
        self.optimizer = torch.optim.AdamW(self.copies.values(), lr=rate, weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.saved = time.monotonic()

    def _rate(self, step: int) -> float:
        return min(1.0, (step + 1) / 20) * max(0.02, 1 - step / self.steps)

    def update(self, loss: Tensor) -> None:
        """One step down the gradient of the loss."""
        loss.backward()
        for name, weight in self.weights.items():
            assert weight.grad is not None, f"{name} takes no part"
            self.copies[name].grad, weight.grad = weight.grad.float(), None
        torch.nn.utils.clip_grad_norm_(self.copies.values(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self._write_back()
        self.step += 1
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def _write_back(self) -> None:
        for name, weight in self.weights.items():
            weight.data.copy_(self.copies[name])

    def save(self) -> None:
        """Writes weights, moments and step, so that a run that is ended goes on from here."""
        moments = {
            f"{name}/{kind}": self.optimizer.state[copy][kind]
            for name, copy in self.copies.items()
            for kind in ("exp_avg", "exp_avg_sq")
        }
        unfinished = self.folder / "training.partial"
        save_file({**self.copies, **moments, "step": torch.tensor(self.step)}, unfinished)
        unfinished.replace(self.folder / "training.safetensors")
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Goes on where an earlier run was saved, if there is one."""
        if not (path := self.folder / "training.safetensors").is_file():
            return
        saved = load_file(path)
        self.step = int(saved["step"])
        for name, copy in self.copies.items():
            copy.copy_(saved[name])
            moments = {kind: saved[f"{name}/{kind}"] for kind in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[copy] = {"step": torch.tensor(float(self.step)), **moments}
        for _ in range(self.step):
            self.schedule.step()
        self._write_back()


def train(judge: RefusalClassifier, readings: Sequence[Rows], folder: Path, options: argparse.Namespace) -> None:
    """Trains the judge on one reading an epoch, in turn; batches come in the same order after a restart."""
    chance = random.Random(1)
    epochs = [readings[epoch % len(readings)] for epoch in range(options.epochs)]
    plan = [batch for rows in epochs for batch in batches(rows, options.batch, chance)]
    trainer = Trainer(judge.model, folder, len(plan), options.rate)
    trainer.resume()
    for batch in plan[trainer.step :]:
        began = time.monotonic()
        loss = torch.nn.functional.cross_entropy(
            logits(judge.model, batch), torch.tensor([label for _, label in batch])
        )
        trainer.update(loss)
        print(
            f"step {trainer.step}/{len(plan)} loss {float(loss.detach()):.3f} {time.monotonic() - began:.1f} s",
            flush=True,
        )
    trainer.save()


def readings_of(judge: RefusalClassifier, exchanges: Sequence[Exchange]) -> list[Rows]:
    """Both readings of the exchanges; each leaves out the prompts that the other shows."""
    return [read_below(judge.model, encode(judge, exchanges, epoch)) for epoch in (0, 1)]


def known_exchanges(options: argparse.Namespace) -> list[Exchange]:
    """What it learns from, in an order by chance: all, or the named files and a share of the rest."""
    chance = random.Random(0)
    known = labelled(options.labelled) + invented() + written()
    known += combined(options.combined, options.instructions, options.harmful, chance)
    chance.shuffle(known)
    if not options.files:
        return known
    return [one for one in known if one.file in options.files or chance.random() < options.rest]


@torch.no_grad()
def scores_of(model: PreTrainedModel, rows: Rows) -> list[float]:
    """Log-odds of refused against answered."""
    return [float(said[0] - said[1]) for row in rows for said in logits(model, [row])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and saves a folder that `--refusal-judge` and `--judge` take."""
    parser = parser_of(__doc__)
    options = parser.parse_args(arguments)
    if options.out.exists():
        parser.error(f"{options.out} exists; name another folder, or remove it.")
    judge = load_start(options.model)
    unfinished = options.out.with_name(f"{options.out.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    train(judge, readings_of(judge, known_exchanges(options)), unfinished, options)
    save_judge(judge, unfinished)
    unfinished.rename(options.out)


def save_judge(judge: RefusalClassifier, folder: Path) -> None:
    """Writes the judge in place of its unfinished training."""
    judge.model.save_pretrained(folder)
    judge.tokenizer.save_pretrained(folder)
    (folder / "training.safetensors").unlink()


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Reads what to learn from and how."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of an instruct model, or of a judge to teach further")
    parser.add_argument("out", type=Path)
    parser.add_argument("--labelled", type=Path, required=True, help="XSTest's completions with final_label, CSV")
    parser.add_argument("--instructions", type=Path, required=True, help="instruction, input, output; JSON")
    parser.add_argument("--harmful", type=Path, nargs="*", default=[], help="tables with a column goal")
    parser.add_argument("--combined", type=int, default=250, help="combined refusals, and as many answers")
    parser.add_argument("--files", nargs="*", default=[], help="learn from these of exchanges/, and less of the rest")
    parser.add_argument("--rest", type=float, default=0.3, help="share of the rest, with --files")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    return parser


if __name__ == "__main__":
    main()
