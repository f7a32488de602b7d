"""Writes docs/api-reference.md from signatures and docstrings: `python -m tests.api_reference`.

The page is plain Markdown, so that it can be read in a clone as on the site.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

import holdfast
from holdfast.readable_options import SETTINGS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api-reference.md"
WIDTH = 100
"""Characters of a signature that fit into one line."""
SHAPE = re.compile(r"(?:Float|Int|Bool)\[Tensor, '[^']*'\]")
"""Types that say a tensor's shape, which the page leaves out."""
HEAD = """# Python: every signature

`python -m tests.api_reference` writes this page from the source. [Python](api.md) says which of these a script needs.
Functions that take a mask, scores or a patch also take the path of its file. Import the names from `holdfast`, except
where the page shows another import. `Path` is `pathlib.Path`.
"""
SECTIONS = {
    "Files": (
        *(
            f"{module}.{verb}_{kind}"
            for kind in ("scores", "mask", "patch", "direction")
            for module, verb in (("artifacts", "load"), ("saving", "save"))
        ),
        *("evaluate.loading.load_evaluation", "saving.save_evaluation"),
        *("prompts.sources.load_prompts", "prompts.sources.load_exchanges"),
    ),
    "Models": (
        *("models.load.load_model", "models.load.LoadedModel", "models.sites.list_sites", "testbed.model_path"),
        "models.options.GenerateOptions",
    ),
    "Scoring and selecting": (
        *(
            "pipeline.scoring.score_safety",
            "pipeline.scoring.score_likelihood",
            "pipeline.scoring.score_neurons",
            "pipeline.options.ScoringOptions",
        ),
        *(
            "select.top.select_top",
            "select.top.TopOptions",
            "select.random.select_random",
            "select.random.RandomOptions",
        ),
        *("select.set_difference.select_safety_only", "select.set_difference.SetDifferenceOptions"),
        *("select.layer_table.layer_table", "pipeline.halves.stability", "outcomes.Stability"),
        *("select.overlap.overlap", "select.overlap.Overlap", "select.overlap_table.overlap_table"),
        *("pipeline.masks.select", "score.scoring.score_halves"),
        *("score.neurons.score_neurons", "select.votes.select_votes", "select.neurons.neuron_weights"),
        "objective.judge_gradient.JudgeGradient",
    ),
    "Holding and training": (
        *("intervene.hold.callback.ProtectCallback", "intervene.hold.protect.protect"),
        *(f"intervene.hold.lora.{name}_protected" for name in ("load", "merge", "save")),
        *("intervene.hold.lora.protect_lora", "intervene.train.train_only.train_only"),
        *("intervene.train.adapt.adapt", "intervene.options.AdaptOptions", "intervene.options.LoraOptions"),
        *("intervene.train.enhance.enhance", "intervene.options.EnhanceOptions"),
        *("intervene.method_options.MethodOptions", "intervene.train.preserve.replay.own_answers"),
        *("intervene.train.preserve.in_trainer.preserve", "intervene.train.combine.in_loss.combined_loss"),
        *(
            "intervene.hold.probe.SafetyProbe",
            "pipeline.probe.attack_success_probe",
            "pipeline.probe.not_refused_probe",
        ),
        "pipeline.probe.top_mask_refresh",
        "pipeline.direction_probe.direction_turn_probe",
        "pipeline.directions.find_direction",
        *("intervene.train.sparse_adamw.SparseAdamW", "intervene.edit.perturb.perturbed", "intervene.edit.zero.zeroed"),
        *("pipeline.noise_study.verify", "evaluate.verified.Verified", "evaluate.verified.NoisePoint"),
        *("evaluate.verified.Effect", "evaluate.contrast.Contrast", "evaluate.specific.Specificity"),
        *("intervene.edit.steer.steered", "directions.random.random_direction"),
        *("pipeline.direction_editing.edit_direction", "pipeline.direction_editing.DirectionEdit"),
        *("pipeline.direction_editing.Evenness", "pipeline.direction_editing.ShiftByToken"),
        *("intervene.patch.patch.apply_patch", "intervene.patch.patch.revert_patch"),
        *("intervene.patch.vllm_patch.vllm_patches", "pipeline.restoring.restore"),
        *(f"intervene.patch.restore_options.{name}Options" for name in ("Restore", "SafeLora")),
        "pipeline.restoring.safe_lora",
    ),
    "Measuring": (
        *("evaluate.suite.evaluate", "evaluate.suite.Suite", "evaluate.comparing.compare"),
        *(
            "plan.gate_plans.plan_gate",
            "plan.gate_plans.GatePlans",
            "pipeline.gate_files.save_gate",
            "pipeline.file_pages.save_page",
        ),
        *("evaluate.gate.Gate", "evaluate.finding.Finding", "evaluate.finding.Bounds", "evaluate.compared.Compared"),
        *("differences.Difference", "evaluate.tolerated.Tolerated", "evaluate.gate_side.GateSide"),
        *("plan.gate.GatePlan", "plan.gate.Row", "plan.gate.WholeGatePlan"),
        *("pipeline.checking.check_hold", "pipeline.checking.check_only_mask_moved"),
        *("pipeline.judge_card.make_card", "evaluate.cards.load_card", "evaluate.corrected.corrected_rates"),
        *("evaluate.judge_card.JudgeCard", "evaluate.judge_card.Confusion", "evaluate.corrected.Corrected"),
        *("pipeline.judges.load_judge", "judge.refusal.RefusalJudge"),
        "judge.trial.try_judge",
        "progress.print_progress",
    ),
    "Values": (
        *(
            "values.Scores",
            "values.Mask",
            "values.Patch",
            "values.Direction",
            "outcomes.Evaluation",
            "outcomes.Answer",
            "outcomes.Rate",
            "outcomes.Outcome",
        ),
        *("records.Prompt", "records.Exchange"),
    ),
    "Errors": ("errors.InvariantError", "errors.GateError", "errors.UndecidedError", "errors.InvalidGateError"),
}
"""What the page lists, by section."""

IMPORTED = {"model_path": "holdfast.testbed", "evaluate": "holdfast.evaluate"}
"""Packages to import a name from, where they are not its module."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


def render() -> str:
    """Returns the whole page."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name) for name in names]
    return "\n".join(parts)


def entry(path: str) -> str:
    """Returns what the page says of one function or class."""
    module_name, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(f"holdfast.{module_name}"), name)
    node = definition(Path(inspect.getfile(inspect.unwrap(found))), name)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return options_entry(found)
    init = method_of(node, "__init__") if isinstance(node, ast.ClassDef) else None
    lines = [*heading(name, found, signature(name, node, init)), *described(ast.get_docstring(node))]
    if init is not None:
        lines += described(ast.get_docstring(init), only_arguments=True)
    if isinstance(node, ast.ClassDef):
        lines += [*fields_of(node), *members_of(node)]
    return "\n".join(lines).rstrip() + "\n"


def heading(name: str, found: object, call: str) -> list[str]:
    """Returns the title of an entry and its call, with the import of a name that `holdfast` itself lacks.

    The title names the module where `holdfast` has the name of something else.
    """
    module = IMPORTED.get(name, found.__module__)
    is_known = name in holdfast.__all__
    is_other = is_known and getattr(holdfast, name) is not found and name not in IMPORTED
    title = f"{module}.{name}" if is_other else name
    imported = [] if is_known and not is_other else [f"from {module} import {name}", ""]
    return [f"### {title}", "", "```py", *imported, call, "```", ""]


def definition(file: Path, name: str) -> Documented:
    """Finds a function or class at the top of a file."""
    nodes = ast.parse(file.read_text(encoding="utf-8")).body
    return next(one for one in nodes if isinstance(one, Documented) and one.name == name)


def method_of(node: ast.ClassDef, name: str) -> Function | None:
    """Finds a method of a class by name."""
    return next((one for one in node.body if isinstance(one, Function) and one.name == name), None)


def signature(name: str, node: Documented, init: Function | None) -> str:
    """Returns the call of a function or class with its types, over several lines where it is long."""
    function = init or (node if isinstance(node, Function) else None)
    if function is not None:
        taken = parameters(function)
    elif is_exception(node):
        return f"class {name}({', '.join(map(ast.unparse, node.bases if isinstance(node, ast.ClassDef) else ()))})"
    else:
        taken = [f"{field}: {kind}{default}" for field, kind, default, _ in annotated(node)]
    result = f" -> {typed(node.returns)}" if isinstance(node, Function) and node.returns else ""
    line = f"{name}({', '.join(taken)}){result}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"    {one},\n" for one in taken)
    return f"{name}(\n{inner}){result}"


def is_exception(node: Documented) -> bool:
    """True for the class of an error."""
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Error") for base in node.bases)


def typed(annotation: ast.expr) -> str:
    """Returns a type as the page shows it: without quotation marks around it, and tensors without their shapes."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return SHAPE.sub("Tensor", ast.unparse(annotation))


def parameters(function: Function) -> list[str]:
    """Lists the parameters of a function without `self`, each with its type and default."""
    given = function.args
    places = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(places) - len(given.defaults)) + list(given.defaults)
    shown = [_parameter(one, default) for one, default in zip(places, defaults, strict=True)]
    shown = shown[1:] if places and places[0].arg in ("self", "cls") else shown
    if given.vararg:
        shown.append(f"*{given.vararg.arg}")
    elif given.kwonlyargs:
        shown.append("*")
    shown += [_parameter(one, default) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [*shown, *([f"**{given.kwarg.arg}"] if given.kwarg else [])]


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {typed(argument.annotation)}" if argument.annotation else ""
    equals = " = " if kind else "="
    return f"{argument.arg}{kind}" + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def annotated(node: ast.AST) -> Iterator[tuple[str, str, str, str]]:
    """Yields the fields of a dataclass: name, type, default and the docstring below it."""
    marks = [ast.unparse(mark) for mark in node.decorator_list] if isinstance(node, ast.ClassDef) else []
    body = node.body if isinstance(node, ast.ClassDef) and any(mark.startswith("dataclass") for mark in marks) else []
    for place, one in enumerate(body):
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        default = "" if one.value is None else f" = {ast.unparse(one.value)}"
        below = body[place + 1] if place + 1 < len(body) else None
        says = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
        made = default.replace("field(default_factory=dict)", "{}")
        yield one.target.id, typed(one.annotation), made, _joined(str(says).splitlines())


def fields_of(node: ast.ClassDef) -> list[str]:
    """Lists the fields that have a docstring."""
    listed = [wrapped(f"- `{name}`: {says}") for name, _, _, says in annotated(node) if says]
    return [*listed, ""] if listed else []


def members_of(node: ast.ClassDef) -> list[str]:
    """Lists public methods and properties with the first sentence of their docstrings."""
    listed = []
    for one in node.body:
        says = ast.get_docstring(one) if isinstance(one, Function) and not one.name.startswith("_") else None
        if says and isinstance(one, Function) and not one.name.startswith("on_"):
            is_property = any(ast.unparse(mark).endswith("property") for mark in one.decorator_list)
            result = f" -> {typed(one.returns)}" if one.returns else ""
            shown = one.name if is_property else f"{one.name}({', '.join(parameters(one))}){result}"
            listed.append(wrapped(f"- `.{shown}`: {first_sentence(says)}"))
    return [*listed, ""] if listed else []


def options_entry(kind: type[BaseModel]) -> str:
    """Returns what the page says of options: each with its default and description."""
    lines = [*heading(kind.__name__, kind, f"{kind.__name__}(NAME=VALUE, ...)")]
    lines += described((inspect.getdoc(kind) or "").partition(SETTINGS)[0])
    for name, field in kind.model_fields.items():
        default = "needed" if field.is_required() else f"default {field.default!r}"
        says = first_paragraph(field.description or "")
        lines.append(wrapped(f"- `{name}` ({default}): {says}"))
    return "\n".join(lines).rstrip() + "\n"


def described(docstring: str | None, *, only_arguments: bool = False) -> list[str]:
    """Returns a docstring as Markdown: its text, its arguments as a list, and what it raises."""
    text, sections = split(docstring or "")
    lines = [] if only_arguments else [text, ""]
    for name, says in items(sections.get("Args", [])):
        lines.append(wrapped(f"- `{name}`: {says}"))
    lines += [""] if "Args" in sections else []
    for title in ("Returns", "Yields"):
        lines += [wrapped(f"{title}: {_joined(sections[title])}", ""), ""] if title in sections else []
    for name, says in items(sections.get("Raises", [])):
        lines += [wrapped(f"Raises `{name}`: {says}", ""), ""]
    return [*lines]


def split(docstring: str) -> tuple[str, dict[str, list[str]]]:
    """Splits a docstring into its text and its sections."""
    sections: dict[str, list[str]] = {}
    text: list[str] = []
    here = text
    for line in docstring.splitlines():
        if heading := re.fullmatch(r"(Args|Returns|Raises|Yields):", line):
            here = sections.setdefault(heading[1], [])
        else:
            here.append(line)
    return "\n".join(text).strip(), sections


def items(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Splits a section into its items, each a name and its text."""
    found: list[list[str]] = []
    for line in filter(str.strip, lines):
        if re.match(r"    \S", line):
            found.append([line])
        else:
            found[-1].append(line)
    pairs = [_joined(item).partition(": ") for item in found]
    return [(name, says) for name, _, says in pairs]


def first_sentence(text: str) -> str:
    """Returns the first sentence of a docstring."""
    return re.split(r"(?<=[.?])\s", first_paragraph(text))[0]


def first_paragraph(text: str) -> str:
    """Returns the text up to the first blank line, in one line."""
    return _joined(text.strip().split("\n\n")[0].splitlines())


def wrapped(text: str, indent: str = "  ") -> str:
    """Breaks a line where it is too long for the page, with an indent that keeps an item together."""
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
