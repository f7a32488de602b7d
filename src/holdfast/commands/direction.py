"""`holdfast direction find | test | transplant | steer | edit`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.commands.console import Json, show, shown_progress, table, unless_quiet
from holdfast.commands.help_page import new_app
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Suite
from holdfast.commands.steered import show_steered
from holdfast.commands.strengthened import show_strengthened
from holdfast.counts import counted
from holdfast.endings import require_ending
from holdfast.intervene.edit.amounts import require_coefficients, require_strength
from holdfast.intervene.edit.options import SteerOptions
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.option_groups import METHOD
from holdfast.p_values import p_text
from holdfast.pipeline.options import JudgeOptions, SuiteFiles
from holdfast.prompts.readable import require_readable
from holdfast.wrong_files import require_kind

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.directions.finding import Apart, Found, RatedLayer
    from holdfast.directions.transplant import Transplant

direction = new_app(
    "direction",
    "Find, test, transplant, steer along and strengthen directions in the residual stream, such as refusal.",
)
OwnModel = Annotated[str, Parameter(help="The model that the direction was found in.")]
DirectionFile = Annotated[Path, Parameter(help="File that `holdfast direction find` wrote.")]
PROVE = (
    "Whether it means in this model what it meant in the other, this does not show: `holdfast direction test {target} "
    "{out}` compares it with shuffled labels on prompts, and `holdfast direction steer` with random directions."
)
OF_P = "p compares the mean / spread of the margin with that of shuffled labels, and not the share of pairs."
"""Explains the p value of `direction find`."""
OF_LENGTH = "Pairs of equal length show nothing about length, so the control by length leaves them out."
"""Explains why that control may have fewer pairs."""
SHOWN_LAYERS = 8
"""Layers that the table lists, the best ones first."""


@direction.command
def find(
    model: str,
    *,
    positive: str,
    negative: str,
    out: Path,
    layer: Annotated[int | None, Parameter(validator=Number(gte=0)), METHOD] = None,
    as_text: Annotated[bool, Parameter(negative=""), METHOD] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find the direction in which prompts with a concept differ from prompts without it (difference of means).

    Example: holdfast direction find testbed:aligned --positive testbed:harmful_calibration#first=100
    --negative testbed:harmless#first=100 --out direction.safetensors

    One half of the pairs makes the direction and chooses its layer, the other half tests it. Beside the share of
    recognised pairs stand three controls: shuffled labels, random directions, and the prompts' lengths alone.

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME.
    positive
        Prompts with the concept, such as harmful ones: a file, testbed:NAME, or a name of `holdfast prompts list`.
    negative
        Prompts without it, of similar lengths. The first prompt of both sets is a pair, the second is one, and so on.
        There must be 10 pairs or more, and 60 give a useful interval.
    out
        File for the direction (safetensors).
    layer
        Layer whose output is read, counted from 0. By default the layer that separates the first half best.
    as_text
        Reads the texts as they are, without the chat template. For statements that nobody asks a model.
    seed
        Seed of the halves and of the controls.
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    require_readable(positive, negative)
    from holdfast.pipeline.directions import find_direction

    with shown_progress() as progress:
        made, found = find_direction(
            model, positive, negative, out, layer=layer, as_text=as_text, seed=seed, progress=progress
        )
    result = {"out": str(out), "layer": made.layer, "norm": made.norm, "length": float(made.vector.norm())}
    result |= {"recognised": made.made_by["recognised"], "layers": [_layer_json(rated) for rated in found.layers]}
    note = f"Direction: {out}" + unless_quiet(f"\n{OF_P} {OF_LENGTH}")
    show(result, [_recognition_table(found), _layer_table(found)], json, note=note)


@direction.command(name="test")
def recognise(model: OwnModel, file: DirectionFile, *, positive: str, negative: str, json: Json = False) -> None:
    """Test a direction on other prompts: of another set, another wording, or another language.

    Example: holdfast direction test testbed:aligned direction.safetensors --positive testbed:harmful_heldout
    --negative testbed:borderline

    Parameters
    ----------
    positive
        Prompts with the concept, none of which made the direction.
    negative
        Prompts without it.
    json
        Print one JSON object in place of tables.
    """
    require_kind(file, "direction")
    require_readable(positive, negative)
    from dataclasses import asdict

    from holdfast.pipeline.directions import recognise_on_files

    with shown_progress() as progress:
        tested = recognise_on_files(model, file, positive, negative, progress)
    rows = [
        ("the direction", str(tested.recognised), f"{tested.separation:.2f}"),
        *(("control: shuffled labels", *_ranges(draws)) for draws in [tested.shuffled] if draws),
        *(("control: random directions", *_ranges(draws)) for draws in [tested.random] if draws),
        ("control: length alone", str(tested.length), ""),
    ]
    result = {
        "layer": tested.direction.layer,
        "recognised": asdict(tested.recognised),
        "separation": tested.separation,
        "controls": {
            name: [{"recognised": list(drawn.recognised), "separation": drawn.separation} for drawn in draws]
            for name, draws in (("shuffled", tested.shuffled), ("random", tested.random))
        },
        "length": asdict(tested.length),
    }
    header = ("by", "share", "mean / spread of the margin")
    show(result, [table("Pairs told apart (chance: 0.5)", header, rows)], json, note=unless_quiet(OF_LENGTH))


def _recognition_table(found: "Found") -> "Table":
    from holdfast.evaluate.statistics import counted_rate

    recognition = found.recognition
    own = recognition.direction
    rows = [
        (f"the direction of layer {found.layer}", str(counted_rate(*own.recognised)), f"{own.separation:.2f}"),
        (f"control: shuffled labels (p {p_text(recognition.p_shuffled)})", *_ranges(recognition.shuffled)),
        ("control: random directions", *_ranges(recognition.random)),
        ("control: length alone", str(counted_rate(*recognition.length)), ""),
    ]
    return table("Held-out pairs told apart (chance: 0.5)", ("by", "share", "mean / spread of the margin"), rows)


def _layer_table(found: "Found") -> "Table":
    from holdfast.evaluate.statistics import counted_rate

    best = sorted(found.layers, key=lambda rated: (-rated.apart.recognised.share, -rated.apart.separation))[
        :SHOWN_LAYERS
    ]
    rows = [
        (rated.layer, str(counted_rate(*rated.apart.recognised)), f"{rated.apart.separation:.2f}") for rated in best
    ]
    header = ("layer", "pairs told apart", "mean / spread of the margin")
    return table("Layers on the first half, by left-out pairs", header, rows)


def _ranges(draws: "tuple[Apart, ...]") -> tuple[str, str]:
    """Writes the range of the shares, and of the separations without their signs."""
    shares = sorted(drawn.recognised.share for drawn in draws)
    spread = sorted(abs(drawn.separation) for drawn in draws)
    return (
        f"{shares[0]:.2f} to {shares[-1]:.2f} in {counted(len(draws), 'draw')}",
        f"{spread[0]:.2f} to {spread[-1]:.2f}",
    )


def _layer_json(rated: "RatedLayer") -> dict[str, object]:
    return {"layer": rated.layer, "recognised": list(rated.apart.recognised), "separation": rated.apart.separation}


@direction.command
def transplant(
    source: str,
    target: str,
    file: Path,
    *,
    out: Path,
    prompts: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    sentences: str | None = None,
    layer: Annotated[int | None, Parameter(validator=Number(gte=0)), METHOD] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Carry a direction from one model into another, also one of another width and vocabulary (ConTrans).

    Both models read the same texts. A linear map from the states of one to those of the other, fitted on a part of the
    texts, carries the direction. The others say how much the map explains, beside shuffled texts. Give `--prompts` with
    harmful and harmless prompts for refusal: between real models the paper's `--sentences` carried next to nothing.

    Example: holdfast direction transplant testbed:aligned testbed:aligned-moe direction.safetensors
    --prompts testbed:harmful_development#first=50 testbed:harmless#first=50 --out carried.safetensors

    Parameters
    ----------
    source
        The model that the direction was found in.
    target
        The model to carry it into.
    file
        File that `holdfast direction find` wrote.
    out
        File for the carried direction (safetensors).
    prompts
        Prompt sets that both models read in their chat templates: together 50 prompts or more, better hundreds. The map
        carries what they vary in, so let half of them have the concept. No labels are needed.
    sentences
        In place of prompts: sentences that both models read as they are, without a chat template, as in the paper. 50
        or more, better thousands.
    layer
        Layer of the target, counted from 0. By default the one whose states the map explains best.
    seed
        Seed of the parts of the texts.
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    if bool(prompts) == (sentences is not None):
        raise ValueError("a transplant reads either prompts or sentences; give --prompts or --sentences.")
    sets = prompts or (sentences or "",)
    require_kind(file, "direction")
    require_readable(*sets)
    from holdfast.pipeline.directions import transplant_on_files

    with shown_progress() as progress:
        carried, fitted = transplant_on_files(
            source, target, file, sets, out, as_text=not prompts, layer=layer, seed=seed, progress=progress
        )
    layers = [
        {"layer": one.layer, "explained": one.explained, "shuffled": one.shuffled, "rank": one.rank} for one in fitted
    ]
    result = {"out": str(out), "layer": carried.layer, "norm": carried.norm, "layers": layers}
    note = f"Direction: {out}\n{PROVE.format(target=target, out=out)}"
    show(result, [_explained_table(fitted, "prompts" if prompts else "sentences")], json, note=note)


def _explained_table(fitted: "Sequence[Transplant]", read: str) -> "Table":
    best = sorted(fitted, key=lambda fit: -fit.explained)[:SHOWN_LAYERS]
    rows = [(fit.layer, f"{fit.explained:.2f}", f"{fit.shuffled:.2f}", fit.rank) for fit in best]
    header = ("layer", "explained (R²)", f"control: shuffled {read}", "rank")
    return table(f"Variance of the target's states that the map explains, on {read} left out", header, rows)


@direction.command
def steer(
    model: OwnModel,
    file: DirectionFile,
    *,
    coefficient: Annotated[tuple[float, ...], Parameter(negative="")],
    out: Path,
    suite: Suite = SuiteFiles(),
    options: Annotated[SteerOptions, Parameter(name="*"), METHOD] = SteerOptions(),
    judge: SafetyJudge = REFUSAL_RULES,
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure refusals, over-refusal and coherence while every state is moved along a direction.

    Random directions of equal length are tried as well: an effect counts only beyond theirs. 19 of them or more
    (--random) give a p value that can show an effect.

    Example: holdfast direction steer testbed:aligned direction.safetensors --coefficient 0.2 -0.2 --harmful
    testbed:harmful_heldout --borderline testbed:borderline --generate.max-new-tokens 32 --out steered

    Parameters
    ----------
    coefficient
        Distance to move, in units of the usual length of a state. Negative numbers go the other way.
    out
        Folder for the evaluations.
    seed
        Seed of the random directions.
    json
        Print one JSON object in place of tables.
    """
    require_coefficients(coefficient)
    require_kind(file, "direction")
    require_readable(*suite.names)
    from holdfast.pipeline.steering import SteerSpec
    from holdfast.pipeline.steering import steer as steer_on_files

    spec = SteerSpec(
        model=model, direction=file, coefficients=coefficient, files=suite, out=out, judge=judge, judging=judging,
        generation=generate, options=options, seed=seed,
    )  # fmt: skip
    with shown_progress() as progress:
        measured = steer_on_files(spec, progress)
    show_steered(measured, out, json)


@direction.command(name="edit")
def strengthen(
    model: OwnModel,
    file: DirectionFile,
    *,
    coefficient: float,
    out: Path,
    prompts: str | None = None,
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Move every state along a direction for good, as a patch that reverts. It only strengthens, and never weakens.

    A bias takes the shift, so that the edit does what steering at all positions does. Where the layer's MLP has no bias
    (Llama, Qwen, Mistral), a rank-one matrix makes the shift, which is as asked on average and varies by token. Compare
    the result with the model before you use it: `holdfast evaluate`, then `compare`.

    Example: holdfast direction edit testbed:aligned direction.safetensors --coefficient 0.2
    --prompts testbed:harmless#first=40 --out strengthened

    Parameters
    ----------
    coefficient
        Distance to move, in units of the usual length of a state. A number above 0.
    out
        New folder for the patch, patch.safetensors, and the checkpoint, model.
    prompts
        Ten prompts or more, of all kinds that the model will read, over which the shift is made even. Each fifth one is
        left out, to measure how much the shift varies. Only for a layer whose MLP has no bias.
    json
        Print one JSON object in place of tables.
    """
    require_strength(coefficient)
    once = Once(exist_ok, "direction edit", out / "patch.safetensors", out, locals())
    if once.says_done(json):
        return
    require_kind(file, "direction")
    require_readable(prompts)
    from holdfast.pipeline.direction_editing import edit_direction

    with shown_progress() as progress:
        made = edit_direction(model, file, coefficient, out, prompts, progress)
    once.record()
    show_strengthened(made, out, json)
