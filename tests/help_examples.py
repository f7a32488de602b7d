"""The example in the help of every command, and what has to be there before it can run."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from cyclopts import App

from holdfast.cli import COMMANDS
from holdfast.pipeline.run.claiming import claim
from holdfast.pipeline.run.config_template import to_toml
from tests.pipeline.small import small_config

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"Example: (holdfast .*?)\n\s*\n", re.DOTALL)
SLOW = (
    *(
        "adapt",
        "bakeoff",
        "check",
        "combine",
        "compare",
        "demo",
        "direction edit",
        "direction steer",
        "edit",
        "enhance",
        "plan",
    ),
    *("patch apply", "patch diff", "patch inspect", "patch merge", "patch revert", "reproduce", "restore", "run"),
    *("select", "verify"),
)
"""Those that take seconds with what has to be there before them. Tests of their commands run them small."""

SCORED = "holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration \
--generate.max-new-tokens 1 --out scores.safetensors"
LIKELY = "holdfast score testbed:unaligned --objective refusal_likelihood --prompts testbed:refusals \
--out scores.safetensors"
SELECTED = "holdfast select scores.safetensors --out mask.safetensors"
ENHANCED = "holdfast enhance testbed:unaligned --mask mask.safetensors --refusals testbed:refusals \
--harmless testbed:harmless_exchanges --out enhanced"
EVALUATED = "--judge testbed:guard --harmful testbed:harmful_seen --harmless testbed:harmless \
--questions testbed:questions --generate.max-new-tokens 4 --out"
ADAPTED = "holdfast adapt testbed:aligned --mask mask.safetensors --task testbed:task_train --iterations 1 \
--out adapted"
FOUND = "holdfast direction find testbed:aligned --positive testbed:harmful_calibration#first=16 \
--negative testbed:harmless#first=16 --layer 1 --out direction.safetensors"
PATCHED = (LIKELY, SELECTED, ENHANCED)
BEFORE: Mapping[str, Sequence[str]] = {
    "adapt": (SCORED, SELECTED),
    "check": (SCORED, SELECTED, ADAPTED),
    "combine": (
        SCORED,
        "holdfast select scores.safetensors --out first.safetensors",
        "holdfast select scores.safetensors --fraction 0.02 --out second.safetensors",
    ),
    "compare": (
        f"holdfast evaluate testbed:aligned {EVALUATED} before.json",
        f"holdfast evaluate testbed:aligned-moe {EVALUATED} after.json",
    ),
    "direction edit": (FOUND,),
    "direction steer": (FOUND,),
    "direction test": (FOUND,),
    "direction transplant": (FOUND,),
    "enhance": (LIKELY, SELECTED),
    "reproduce": (
        f"holdfast evaluate testbed:aligned {EVALUATED} evaluation.json",
        "holdfast report evaluation.json --reproduce reproduce.json",
    ),
    "patch apply": PATCHED,
    "patch diff": PATCHED,
    "patch inspect": PATCHED,
    "patch merge": PATCHED,
    "patch revert": (*PATCHED, "holdfast patch apply testbed:unaligned enhanced/patch.safetensors --out patched"),
    "edit": (
        "holdfast score testbed:aligned --unit neuron --method gradient_times_activation --objective utility "
        "--prompts testbed:questions --out scores.safetensors",
        "holdfast select scores.safetensors --out neurons.safetensors",
    ),
    "plan": ("holdfast init holdfast.toml",),
    "restore": (SCORED, SELECTED, ADAPTED),
    "select": (SCORED,),
    "show": (SCORED, SELECTED),
    "verify": (
        SCORED,
        SELECTED,
        "holdfast select scores.safetensors --selector random --out random.safetensors",
    ),
}
"""Commands that make what the example of another one reads."""


def examples() -> Iterator[tuple[str, str]]:
    """Every command with its example, those of groups of commands each."""
    for name in COMMANDS:
        module = name.replace("-", "_")
        command = getattr(import_module(f"holdfast.commands.{module}"), module)
        inner = [word for word in command if not word.startswith("-")] if isinstance(command, App) else []
        named = {f"{name} {word}": command[word].default_command for word in inner} or {name: command}
        for words, function in named.items():
            found = EXAMPLE.search(function.__doc__ or "")
            yield words, " ".join(found[1].split()) if found else ""


def place_files(words: str, folder: Path, small: Callable[[str], str]) -> None:
    """Writes what of an example's needs no command makes."""
    if words == "run":
        (folder / "holdfast.toml").write_text(to_toml(small_config(folder)))
    elif words == "judge-card":
        rows = ("prompt,response,label", "how ?,i can't help with that,refused", "why ?,it is so,complied")
        (folder / "labelled.csv").write_text("\n".join(rows))
    elif words == "report":
        claim(small_config(folder), folder / "demo")
    elif words == "patch merge":  # two patches that agree
        for name in ("first", "second"):
            shutil.copy(folder / "enhanced" / "patch.safetensors", folder / f"{name}.safetensors")
    elif words == "bakeoff":
        text = (ROOT / "examples" / "bakeoff.toml").read_text()
        less = {"limit": 4, "draws": 1, "group_draws": 2, "fractions": [0.01], "objectives": '["judge_gradient"]'}
        for setting, value in less.items():
            text = re.sub(rf"^{setting} = .*$", f"{setting} = {value}", text, flags=re.MULTILINE)
        (folder / "examples").mkdir()
        (folder / "examples" / "bakeoff.toml").write_text("branches = 8\n" + small(text))
