"""Explains why prompts cannot decide a condition: what they showed, what they could show, and how many would decide."""

from holdfast.evaluate.evidence import Evidence, PairedShares, Scale
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.weighing import Part, Weighed

NO_EVIDENCE = (
    "it has no interval, because the files hold neither verdicts nor losses of single prompts; evaluate both "
    "checkpoints again"
)
MORE_PROMPTS = "give more prompts"
LARGER_CHANGE = "allow a larger change"
OTHER_BAR = "set another threshold"
SCORE_THEM = "evaluate again so that the prompts without a score get one"
WAYS = (MORE_PROMPTS, LARGER_CHANGE, OTHER_BAR, SCORE_THEM)
"""Ways to decide a condition, in the order in which a gate advises them."""
FORMS = {"change": "+z.3f", "value": "z.3f", "times": "z.3f"}
NOUNS = {"change": "change", "value": "value", "times": "value"}


def why_undecided(weighed: Weighed, level: float) -> list[str]:
    """Explains in parts of a sentence why a condition is undecided. `level` is that of failing, corrected (Holm)."""
    if only_for_lost(weighed):
        return _why_lost(weighed)
    open_parts = [part for part in weighed.tested if part.p_value(holds=True) > level]
    if not open_parts:
        return [_why_p(weighed)]
    part = open_parts[0]
    if part.evidence is None:
        return [NO_EVIDENCE]
    sentences = [_needed(part, part.evidence, level), _measured(part, part.evidence)]
    sentences += [_resolved(part, part.evidence, level), _assumed(part.evidence)]
    if part.evidence.scale == "change" and part.bar == 0:
        sentences.append("Without a margin an equally good model stays undecided: allow a change, as in before + 0.02")
    return [*filter(None, sentences)]


def remedies(weighed: Weighed, level: float) -> list[str]:
    """Lists what would decide a condition that is undecided. `level` is that of failing."""
    if only_for_lost(weighed):
        return [SCORE_THEM]
    lost = [SCORE_THEM] if weighed.measure.lost else []
    open_parts = [part for part in weighed.tested if part.p_value(holds=True) > level]
    if not open_parts:
        return [MORE_PROMPTS, *lost]
    part = open_parts[0]
    if part.evidence is None:
        return lost
    more = [MORE_PROMPTS] if _prompts_that_decide(part, part.evidence, level) else []
    return [*more, LARGER_CHANGE if part.evidence.scale == "change" else OTHER_BAR, *lost]


def only_for_lost(weighed: Weighed) -> bool:
    """True if a condition would pass without the prompts that were scored before and not after."""
    return weighed.measure.lost is not None and weighed.without_lost.outcome(None) == "passes"


def _why_lost(weighed: Weighed) -> list[str]:
    """Explains that the lost prompts could meet the condition, with its number if each of them counts against it."""
    lost = weighed.measure.lost
    assert lost is not None
    told = (
        f"it would pass without the {lost.count} of {lost.total} prompts that were scored before and have no score "
        "after"
    )
    worst = [part.against for part in weighed.tested if part.against and part.against.evidence]
    if not worst or worst[0].evidence is None:
        return [told]
    part, evidence = worst[0], worst[0].evidence
    end = evidence.bounds[1 if part.rising else 0]
    verb = "it would have changed by" if evidence.scale == "change" else "it would be"
    counted = (
        f"With each of them counted against the model {verb} {shown(evidence.value, evidence.scale)}, "
        f"{'at most' if part.rising else 'at least'} {shown(end, evidence.scale)}, and the threshold is "
        f"{shown(part.bar, evidence.scale)}"
    )
    return [told, counted]


def _why_p(weighed: Weighed) -> str:
    tests = [part.comparison for part in weighed.parts if part.kind == "p" and not part.holds]
    asked = " and ".join(f"p {test.operator} {test.bar(lambda _: 0.0):g}" for test in tests)
    return f"it is met but for p, which is {weighed.measure.p_value:.2g}, and {asked} is asked for"


def _measured(part: Part, evidence: Evidence) -> str:
    low, high = (shown(end, evidence.scale) for end in evidence.bounds)
    verb = "It changed by" if evidence.scale == "change" else "It is"
    told = (
        f"{verb} {shown(evidence.value, evidence.scale)}, at least {low} and at most {high}, and the threshold "
        f"is {shown(part.bar, evidence.scale)}"
    )
    p_value = part.p_value(holds=True)
    if p_value <= LEVEL:
        told += f". It is beyond the threshold with p {p_value:.2g}, which several conditions make too weak (Holm)"
    return told


def _resolved(part: Part, evidence: Evidence, level: float) -> str:
    """Says from which true number on these prompts would fail the condition."""
    smallest = evidence.smallest(part.bar, above=part.rising, level=level)
    if smallest is None:
        return f"{evidence.n:,} {evidence.unit} find no number beyond the threshold in 80% of cases"
    side = "more" if part.rising else "lower"
    number = shown(smallest, evidence.scale)
    return f"{evidence.n:,} {evidence.unit} find a true {NOUNS[evidence.scale]} of {number} or {side} in 80% of cases"


def _needed(part: Part, evidence: Evidence, level: float) -> str:
    """Says how many prompts decide if the true number is the measured one."""
    needed = _prompts_that_decide(part, evidence, level)
    true = f"if the true {NOUNS[evidence.scale]} is {shown(evidence.value, evidence.scale)}"
    if needed is None:
        return f"no number of {evidence.unit} decides {true}"
    return f"take about {rounded_up(needed):,} {evidence.unit}, which decide in 80% of cases {true}"


def _prompts_that_decide(part: Part, evidence: Evidence, level: float) -> int | None:
    """Number of prompts that decide if the true number is the measured one. None if no number does."""
    if evidence.value == part.bar:
        return None
    fails = (evidence.value > part.bar) == part.rising
    return evidence.needed(part.bar, above=evidence.value > part.bar, level=level if fails else LEVEL)


def _assumed(evidence: Evidence) -> str:
    """Says which share of prompts is taken to change by chance, half each way. Empty where none is."""
    if not isinstance(evidence, PairedShares):
        return ""
    return (
        f"Assumed: beside that change {evidence.discordance:.2g} of the prompts change by chance, half of them for the "
        "better and half for the worse"
    )


def rounded_up(count: int) -> int:
    """Rounds a number of prompts up to two digits."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def shown(number: float, scale: Scale) -> str:
    """Formats a number on the scale of its evidence: +0.010, 0.120 or 1.105 times."""
    times = " times" if scale == "times" else ""
    return f"{number:{FORMS[scale]}}{times}"
