"""`holdfast compare`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import RenderableType

from holdfast.commands.console import Json, show, warn
from holdfast.commands.gate_flags import GateFlags, SideOptions
from holdfast.commands.gate_reports import Reports
from holdfast.commands.judge_cards import show_cards
from holdfast.counts import counted
from holdfast.evaluate.comparing import Words, compare_logs, compare_sides, load_sides
from holdfast.evaluate.condition import PLAIN_NAME, Condition, parse_conditions
from holdfast.evaluate.gate import Gate, GateOptions
from holdfast.evaluate.gate_failure import Ways, require_passed
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.logs.readers import read_logs
from holdfast.evaluate.scale import rise_is_good
from holdfast.json_files import JsonValue
from holdfast.option_groups import OUTPUT
from holdfast.pipeline.gate_record import comparison_of
from holdfast.printable import printable
from holdfast.progress import hidden
from holdfast.report.comparison import Comparison
from holdfast.report.gate import idle_details, table_notes, terminal_tables
from holdfast.report.gate_settings import SHOWN
from holdfast.report.overshoot import overshoot_steps
from holdfast.report.records import Judges
from holdfast.report.tables import to_rich

NOTHING_GATED = (
    "Nothing is gated, so the exit code says nothing: give conditions, such as "
    '--fail-if "refusal < before - 0.05" --fail-if "over_refusal > before + 0.05".'
)

WAYS = Ways("--undecided warn", "--undecided warn without --strict", "`--responses 3`")
WORDS = Words(
    "--allow-unchanged",
    "--allow-mismatch",
    "--generate.max-new-tokens",
    "--before-model NAME and --after-model NAME",
    "--before-fingerprint DIGITS and --after-fingerprint DIGITS",
)


def compare(
    before: Path,
    after: Path,
    *,
    gate: Annotated[GateFlags, Parameter(name="*")] = GateFlags(),
    sides: Annotated[SideOptions, Parameter(name="*")] = SideOptions(),
    junit: Annotated[Path | None, OUTPUT] = None,
    markdown: Annotated[Path | None, OUTPUT] = None,
    html: Annotated[Path | None, OUTPUT] = None,
    responses: Annotated[int, OUTPUT, Parameter(validator=Number(gte=0, lte=SHOWN))] = 0,
    json: Json = False,
) -> None:
    """Compare two evaluations prompt by prompt, as a gate for releases.

    Example: holdfast compare before.json after.json --fail-if "refusal < before - 0.05"
    --fail-if "over_refusal > before + 0.05"

    Every condition fails, passes or stays undecided. It fails if the change is shown to be beyond the threshold, and
    passes if it is shown not to be. Each is wrong in at most 5% of cases. Else the prompts are too few, and `compare`
    says how many would decide. `holdfast plan-gate` does so in advance.

    Exit codes: 0: every condition passed. 1: a condition failed. 2: any other error, such as a measure that is missing
    or conditions that cannot fail. 3: none failed, and one is undecided.

    Parameters
    ----------
    before
        Evaluation of the first checkpoint by `holdfast evaluate`, or a log of inspect, lm-eval (its folder) or garak.
    after
        Evaluation of the second, made with the same judge, prompt sets and settings, or a log of the same task.
    junit
        File for JUnit XML: a test case per condition, or one for an error. Remove the file of an
        earlier run first (rm -f).
    markdown
        File for the tables, or for an error, as Markdown. Remove the file of an earlier run first.
    html
        File (.html) for a page of the verdict, each condition and all measures.
    responses
        Changed prompts, maybe harmful, that reports and --json list with both responses, and an error quotes. By
        default none are shown, except safe ones on the page.
    json
        Print one JSON object in place of tables.
    """
    reports = Reports(junit, markdown, html)
    reports.refuse()  # before any file is read
    with reports.of_error():
        compared = _checked((before, after), gate, sides, junit)
    unwritten = reports.save(compared.result, responses, compared.section, compared.judges)
    _warn_of(compared.gate)
    tables = [*map(to_rich, terminal_tables(compared.result)), *compared.tables]
    exit_code = compared.gate.exit_code or (2 if unwritten else 0)
    result = {**compared.result.to_json(responses), **compared.of_cards, "exit_code": exit_code}
    show(result, tables, json, note="\n".join(_notes(compared, bool(unwritten))) or None)
    if compared.gate.exit_code:
        for sentence in unwritten:
            warn(sentence, always=True)
    elif unwritten:
        raise ValueError(" ".join(unwritten))
    if compared.gate.findings:
        require_passed(compared.gate, responses, WAYS)


def _checked(files: tuple[Path, Path], gate: GateFlags, sides: SideOptions, junit: Path | None) -> "_Compared":
    """Checks the conditions before any file is read, then compares both files."""
    conditions = parse_conditions(gate.fail_if)
    _refuse_conditions(conditions, gate, junit)
    options = GateOptions(gate.allow_inverted, gate.strict, gate.undecided, gate.allow_mismatch, gate.allow_unchanged)
    return _compare(files, conditions, options, sides)


def _refuse_conditions(conditions: Sequence[Condition], gate: GateFlags, junit: Path | None) -> None:
    """Raises ValueError for an inverted condition, and for options that need a condition where there is none."""
    if not gate.allow_inverted:
        refuse_inverted(conditions, "--allow-inverted")
    if junit and not conditions:
        raise ValueError("JUnit XML lists conditions, and there is none; give --fail-if, or leave out --junit.")
    if gate.strict and not conditions:
        raise ValueError(
            "--strict asks that every condition can fail, and there is none; give --fail-if, or leave it out."
        )


class _Compared(NamedTuple):
    """A gate with its record, and what is printed beside it."""

    gate: Gate
    result: Comparison
    note: str
    nothing_gated: str = NOTHING_GATED
    tables: Sequence[RenderableType] = ()
    of_cards: Mapping[str, JsonValue] = MappingProxyType({})
    section: str = ""
    """Markdown about the cards of the judges."""
    judges: Judges | None = None
    """Cards of the judges for the page."""


def _compare(
    files: tuple[Path, Path], conditions: Sequence[Condition], options: GateOptions, beside: SideOptions
) -> _Compared:
    """Compares two evaluations, or two logs of another program."""
    logs = read_logs(*files)
    if logs is not None:
        return _compare_logs(logs, conditions, options, beside)
    if beside.measure:
        raise ValueError(
            f"--measure {beside.measure[0]!r} chooses among the measures of logs of other programs, and evaluations "
            "are compared in all; leave it out."
        )
    if options.allow_mismatch:
        raise ValueError(
            "--allow-mismatch is for logs of other programs, and two evaluations always need the same settings; leave "
            "it out."
        )
    sides = load_sides(*files)
    outcome = compare_sides(sides, conditions, options, beside.pinned, WORDS)
    base, other = (side.evaluation for side in sides)
    cards = show_cards({"before": base, "after": other}, beside.judge_card)
    shown = {"tables": cards.tables, "of_cards": cards.result, "section": cards.section(), "judges": cards.judges()}
    return _Compared(outcome, comparison_of(outcome), cards.note, **shown)


def _compare_logs(
    logs: tuple[Log, Log], conditions: Sequence[Condition], options: GateOptions, beside: SideOptions
) -> _Compared:
    if beside.judge_card:
        raise ValueError("logs of other programs have no card of their judge; leave out --judge-card.")
    if options.allow_unchanged:
        raise ValueError("logs of other programs have no fingerprints of models; leave out --allow-unchanged.")
    found = compare_logs(logs, conditions, options, beside.pinned, beside.measure, WORDS)
    return _Compared(found, comparison_of(found), f"Compared: {found.matched}.", nothing_gated=_nothing_gated(found))


def _nothing_gated(outcome: Gate) -> str:
    """Asks for a condition on the first measure of two logs."""
    name = next(iter(outcome.measures))
    compared = "> before + 0.05" if rise_is_good(name) is False else "< before - 0.05"
    example = f"{name if PLAIN_NAME.fullmatch(name) else repr(name)} {compared}"
    return (
        f'Nothing is gated, so the exit code says nothing: give conditions, such as --fail-if "{printable(example)}".'
    )


def _notes(compared: _Compared, unwritten: bool) -> list[str]:
    """Lists what is printed below the tables. With --quiet only what a reader could not know without it.

    A gate that passes ends with exit code 2 if a report could not be written.
    """
    outcome, notes = compared.gate, []
    if not hidden.get():
        notes += [*_left_out(compared.result), *table_notes(compared.result), *filter(None, [compared.note])]
        notes += overshoot_steps(compared.result)
    notes += [] if outcome.findings or hidden.get() else [compared.nothing_gated]
    lacks = unwritten and not outcome.exit_code
    ending = f"Exit code {2 if lacks else outcome.exit_code}: {outcome.verdict}"
    ending += ", but a report could not be written." if lacks else "."
    return [*notes, ending] if outcome.verdict else notes


def _left_out(result: Comparison) -> list[str]:
    """Names the rows that the table leaves out."""
    idle = idle_details(result)
    measures = sorted({name.partition("/")[0] for name in idle})
    rows = counted(len(idle), "row")
    return [f"Left out: {rows} of {', '.join(measures)} without a shown change (--json has them)."] if idle else []


def _warn_of(outcome: Gate) -> None:
    """Prints the gate's warnings, and those on conditions that could not fail or, if asked for, not be decided.

    Also with --quiet it warns of a loss that the gate lets pass, and of an undecided condition.
    """
    told_in_error = outcome.overlooked if outcome.exit_code == 2 and outcome.overlooks_loss else ()
    for sentence in outcome.warnings:
        if sentence not in told_in_error:
            warn(sentence, always=sentence in outcome.losses)
    for finding in outcome.findings:
        if finding.cannot_fail and not outcome.decides_too_little:
            warn(printable(f"{finding.condition!r} cannot fail: {finding.cannot_fail}."))
    for finding in outcome.open_conditions if outcome.undecided == "warn" else []:
        warn(printable(f"{finding.condition!r} could not be decided: {finding.why_undecided}."), always=True)
