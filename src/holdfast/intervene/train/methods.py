"""The table of methods of fine-tuning. A new method is one file with its `PARTS`, and one line here.

Methods are joined by `+`: `spa+replay` holds the mask's entries and mixes the start model's own answers into the task.
A control is a method with another mask, such as a random one. It is a row of `holdfast.arms`.

This file imports no torch, so that commands can refuse a wrong method at once. The file of a method is imported when
the method is first used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from holdfast.arguments import require_options
from holdfast.arms import Stage
from holdfast.intervene.method_options import MethodOptions
from holdfast.spelling import joined as listed
from holdfast.spelling import meant

if TYPE_CHECKING:
    from holdfast.intervene.train.parts import Parts  # imports torch

FOLDER = "holdfast.intervene.train"
Source = Literal["given", "own"]


@dataclass(frozen=True)
class Method:
    """A method of fine-tuning, or several that are joined."""

    name: str
    help: str
    """Line of the option's help."""
    file: "str | Parts"
    """`module:NAME` of its parts, within this folder, or the parts. Empty for joined methods."""
    safety: Source | None = None
    """Responses to the safety prompts that it learns from: the given ones, or the start model's own answers."""
    is_mixed: bool = False
    """Tells whether the safety exchanges are mixed into the task's."""
    needs_mask: bool = False
    options: tuple[str, ...] = field(default=())
    """Names of the options that it reads."""
    joins: "tuple[Method, ...]" = ()
    """The methods that it joins. Empty for one method."""

    @property
    def parts(self) -> "Parts":
        """The parts of the method.

        Raises:
            ValueError: the parts of two joined methods contradict each other.
        """
        if self.joins:
            from holdfast.intervene.train.parts import joined

            return joined({row.name: row.parts for row in self.joins})
        if not isinstance(self.file, str):
            return self.file
        module, _, name = self.file.partition(":")
        return getattr(import_module(f"{FOLDER}.{module}"), name or "PARTS")


STORED = ("safety_batch", "safety_weight", "answer_tokens", "stored_logits")
"""Options of methods that compare a model with the start model's stored logits."""
METHODS: dict[str, Method] = {
    row.name: row
    for row in (
        Method("plain", "train on the task, and nothing else", "parts:DEFAULTS"),
        Method("spa", "hold the mask's weights bit for bit", "adapt", needs_mask=True),
        Method("set", "train the mask's weights alone", "enhance", needs_mask=True),
        Method(
            "mixed",
            "mix given refusals of harmful prompts into the task",
            "preserve.mixed",
            safety="given",
            is_mixed=True,
            options=("safety_share",),
        ),
        Method(
            "replay",
            "mix the start model's own answers to harmful prompts in",
            "preserve.replay",
            safety="own",
            is_mixed=True,
            options=("safety_share", "answer_tokens"),
        ),
        Method(
            "kl", "add the KL divergence from the start model's answers", "preserve.kl", safety="own", options=STORED
        ),
        Method(
            "der",
            "add the squared distance to those answers' logits",
            "preserve.der",
            safety="own",
            options=STORED,
        ),
        Method(
            "constrained",
            "weigh down response tokens that became likelier",
            "preserve.constrained",
            options=("constraint",),
        ),
        Method(
            "safegrad",
            "remove the part of the gradient that opposes kl's",
            "preserve.safegrad",
            safety="own",
            options=STORED,
        ),
        Method("ema", "average the weights over the steps", "preserve.ema", options=("ema_decay",)),
        Method(
            "refresh",
            "hold the mask's weights, and select them anew while training",
            "preserve.refresh",
            safety="given",
            needs_mask=True,
            options=("refresh_every",),
        ),
        Method("layers", "freeze some layers", "preserve.layers", options=("frozen_layers",)),
        Method("mgda", "combine all losses' gradients by MGDA", "combine.gapo:MGDA"),
        Method("gapo", "combine all losses' gradients by GAPO", "combine.gapo", options=("gapo_power",)),
        Method("p_gapo", "combine all losses' gradients by P-GAPO", "combine.p_gapo", options=("preferences",)),
    )
}
USUAL: Mapping[Stage, str] = {"enhance": "set", "adapt": "spa"}
"""Default method of a stage with a mask."""


def usual_method(stage: Stage, mask: object) -> str:
    """Returns the default method of a stage: its own with a mask, and plain fine-tuning without one."""
    return "plain" if mask is None else USUAL[stage]


def method_for(name: str, mask: object) -> Method:
    """Returns the row of a method, or one row for several joined methods.

    Raises:
        ValueError: a method does not exist, needs a mask and has none, reads none and has one, or two can't be joined.
    """
    method = method_named(name)
    if method.needs_mask and mask is None:
        raise ValueError(f"method {name} needs a mask and got none; give one, or choose method plain.")
    if mask is not None and not method.needs_mask and name != "plain":
        raise ValueError(f"method {name} reads no mask and got one; choose spa+{name}, or leave the mask out.")
    return method


def method_named(name: str) -> Method:
    """Returns the row of a method, or one row for several methods that are joined by `+`, in the order of the table.

    Raises:
        ValueError: a method does not exist, is named twice, or two can't be joined. Whether their parts contradict each
            other is told by `parts`, which imports torch.
    """
    if not isinstance(name, str):
        raise ValueError(f"a method is given by its name, got {type(name).__name__}; {meant('', METHODS)}.")
    given = name.split("+")
    for each in given:
        if each not in METHODS:
            raise ValueError(f"unknown method {each!r}; {meant(each, METHODS)}.")
    if len(set(given)) < len(given):
        raise ValueError(f"method {name} names a method twice; name each once.")
    rows = [row for row in METHODS.values() if row.name in given]
    return rows[0] if len(rows) == 1 else _joined(rows)


def _joined(rows: Sequence[Method]) -> Method:
    if {"ema", "refresh"} <= {row.name for row in rows}:
        raise ValueError(
            "methods ema and refresh can't be joined, because the average moves weights that a later mask holds; leave "
            "one out."
        )
    sources: dict[Source, str] = {row.safety: row.name for row in rows if row.safety}
    if len(sources) > 1:
        raise ValueError(
            f"methods {listed(list(sources.values()), 'and')} can't be joined: one learns from given responses, the "
            "other from the start model's own answers; leave one out."
        )
    return Method(
        "+".join(row.name for row in rows),
        " and ".join(row.help for row in rows),
        "",
        safety=next(iter(sources), None),
        is_mixed=any(row.is_mixed for row in rows),
        needs_mask=any(row.needs_mask for row in rows),
        options=tuple(dict.fromkeys(option for row in rows for option in row.options)),
        joins=tuple(rows),
    )


def refuse_idle(method: Method, options: MethodOptions) -> None:
    """Raises ValueError for an option that the method does not read."""
    require_options(options, MethodOptions)
    for name in options.changed:
        if name not in method.options:
            raise ValueError(
                f"{name} is an option of method {_readers(name)}, and the method is {method.name}; leave it out, or "
                "choose such a method."
            )


def missing_safety(method: Method, option: str) -> str:
    """Says which safety prompts a method needs.

    Args:
        method: the method that needs them.
        option: name of the option that takes them.
    """
    if method.safety == "given":
        return (
            f"method {method.name} needs harmful prompts with refusals and got none; give them as {option}, or choose "
            "method replay, which takes prompts alone."
        )
    return (
        f"method {method.name} needs harmful prompts, to which the start model answers by itself, and got none; give "
        f"them as {option}, for example the prompts that scored a mask."
    )


def idle_safety(method: Method, option: str) -> str:
    """Says that a method reads no safety data, and which method does.

    Args:
        method: a method without safety data.
        option: name of the option that was given.
    """
    reading = f"{method.name}+mixed" if method.needs_mask else "mixed"
    return (
        f"{option} was given, and method {method.name} reads no safety data; choose method {reading}, which mixes "
        "refusals into the task, or leave it out."
    )


def refuse_adapters(method: Method, lora: object) -> None:
    """Raises ValueError where adapters are trained by a method that holds several masks in turn."""
    if lora is not None and "refresh_every" in method.options:
        raise ValueError(
            f"method {method.name} holds no adapters, because entries that a new mask adds have moved; leave lora out, "
            "or choose method spa."
        )


def refuse_unread(methods: Sequence[str], options: MethodOptions) -> None:
    """Raises ValueError for an option that none of several methods reads."""
    read = {option for method in methods for option in method_named(method).options}
    if idle := [name for name in options.changed if name not in read]:
        raise ValueError(
            f"{idle[0]} is an option of method {_readers(idle[0])}, and no arm uses it; leave it out, or name such an "
            "arm."
        )


def _readers(option: str) -> str:
    return listed([row.name for row in METHODS.values() if option in row.options])


def refuse_several_processes(method: Method) -> None:
    """Raises ValueError where several processes train by a method that needs one."""
    from holdfast.distributed import world_size  # imports torch

    if method.parts.is_alone and world_size() > 1:
        raise ValueError(f"method {method.name} trains in one process; start the command without torchrun.")


def methods_help(paragraph: str) -> str:
    """Returns the help of an option that takes a method: the paragraph, then a line for each method."""
    combining = [row.name for row in METHODS.values() if str(row.file).startswith("combine.")]
    lines = [f"- {row.name}: {row.help}" for row in METHODS.values() if row.name not in combining]
    lines.append(f"- {', '.join(combining)}: combine the gradients of all losses")
    return "\n\n".join([paragraph, "\n".join(lines)])
