"""Pairs two checkpoints on the same prompts, to count the responses that changed and test that against chance.

Several samples of one prompt are not independent pairs. Where there are several, prompts are paired only by whether at
least one sample is unsafe. Refusals are paired by the verdicts in the evaluations. Files without those verdicts have
their refusal rates compared, but no pairs.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.counts import counted
from holdfast.evaluate.attack_success import any_of, any_unsafe
from holdfast.evaluate.counted import counts_towards
from holdfast.evaluate.measure import by_prompt
from holdfast.evaluate.other_forms import comparable
from holdfast.evaluate.statistics import PairedCounts, count_pairs
from holdfast.evaluate.token_losses import PerplexityRatio, losses_by_name, perplexity_ratio
from holdfast.made_by import Meta
from holdfast.outcomes import Answer, Evaluation
from holdfast.printable import printable

SETTINGS = ("judge", "refusal_judge", "generation", "suite")
"""Entries of `Evaluation.made_by` that must be equal before and after."""
ADDED = ("reference", "lm_eval", "responses", "coherence")
"""Entries of `Evaluation.made_by` that must be equal where both have them. One of the two may lack a measure, and files
of earlier versions lack some entries."""


@dataclass(frozen=True)
class PairedPrompt:
    """A prompt scored under both checkpoints: True where its response counts towards a measure, before and after."""

    prompt: str
    before: bool
    after: bool
    responses: tuple[str, str] = field(default=("", ""), repr=False)
    """The response before and after. Of several samples it is the first unsafe one, or the first."""


def count_changes(before: Evaluation, after: Evaluation) -> dict[str, PairedCounts]:
    """Counts pairs by measure and by 'measure/group', over the prompts scored under both checkpoints.

    Raises:
        ValueError: the two did not answer the same prompts in the same order, or differ in judge or settings.
    """
    return {name: count_prompts(found) for name, found in pair_prompts(before, after).items()}


def change_of_perplexity(before: Evaluation, after: Evaluation) -> PerplexityRatio | None:
    """Perplexity after over before with its paired interval, on the same harmless exchanges.

    None where an evaluation keeps no loss on each exchange, the exchanges differ, or there are fewer than two.
    """
    losses = [losses_by_name(one.losses).get("perplexity", []) for one in (before, after)]
    return perplexity_ratio(*losses)


def count_prompts(found: Sequence[PairedPrompt]) -> PairedCounts:
    """Counts the four cells of paired prompts."""
    return count_pairs([one.before for one in found], [one.after for one in found])


def pair_prompts(before: Evaluation, after: Evaluation) -> dict[str, list[PairedPrompt]]:
    """Pairs the prompts scored under both checkpoints, in their order, by measure and by 'measure/group'.

    Raises ValueError as `count_changes` does.
    """
    _refuse_other_safety(before.answers, after.answers)
    _refuse_different_prompts(before.answers, after.answers)
    refuse_other_settings(before.made_by, after.made_by)
    paired: dict[str, list[PairedPrompt]] = defaultdict(list)
    for first, second in zip(by_prompt(before.answers), by_prompt(after.answers), strict=True):
        then, now = _counted(first), _counted(second)
        for name in then.keys() & now.keys():
            responses = (_decisive(first).response, _decisive(second).response)
            paired[name].append(PairedPrompt(first[0].prompt, then[name], now[name], responses))
    return {name: paired[name] for name in sorted(paired)}


def prompts_lost(before: Evaluation, after: Evaluation) -> dict[str, list[tuple[str, bool]]]:
    """Lists the prompts that were scored before and not after, with their outcome before, by the names of pairs."""
    lost: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for first, second in zip(by_prompt(before.answers), by_prompt(after.answers), strict=True):
        now = _counted(second)
        for name, counts in _counted(first).items():
            if name not in now:
                lost[name].append((first[0].prompt, counts))
    return dict(lost)


def refuse_other_settings(before: Meta, after: Meta) -> None:
    """Raises ValueError when judge, generation settings or suite differ. Files that don't record them pass.

    A GGUF file or a served model may differ in what belongs to its form (`other_forms.py`).
    """
    if not before or not after:
        return
    before, after = _recorded_by_both(*comparable(before, after))
    found = [one for name in SETTINGS for one in _differences(name, before.get(name), after.get(name))]
    found += [one for name in ADDED for one in _differences(name, *_common(before.get(name), after.get(name)))]
    if not found:
        _refuse_other_renderings(*_common(before.get("rendering"), after.get("rendering")))
    else:
        raise ValueError(
            f"the two evaluations were not made alike, so their difference is not the model's: {', '.join(found[:3])}; "
            "evaluate both checkpoints with the same judge, suite and settings."
        )


def _recorded_by_both(before: Meta, after: Meta) -> tuple[Meta, Meta]:
    """Keeps the entries that both have where a script made one of the two. A script records less than a command."""
    if "suite" in before and "suite" in after:
        return before, after
    then, now = _common(before, after)
    for name in then:
        if isinstance(then[name], Mapping) and isinstance(now[name], Mapping):
            then[name], now[name] = _common(then[name], now[name])
    return then, now


def _refuse_other_renderings(before: Mapping[str, object], after: Mapping[str, object]) -> None:
    """Raises ValueError when the chat template rendered the same prompts to different texts."""
    other = sorted(name for name in before if before[name] != after[name] and name != "template_arguments")
    if other:
        raise ValueError(
            f"the two evaluations were asked the same prompts in different renderings ({', '.join(other)}), so their "
            "difference is not the model's alone: the chat template, its arguments, a system prompt or a date that it "
            "writes, or the plain format for want of a template differs; evaluate both with the same tokenizer files "
            "and template arguments (MODEL#NAME=VALUE)."
        )


def _common(before: object, after: object) -> tuple[dict[str, object], dict[str, object]]:
    """Keeps the entries whose keys both mappings have."""
    then, now = (dict(one) if isinstance(one, Mapping) else {} for one in (before, after))
    return {key: then[key] for key in then if key in now}, {key: now[key] for key in now if key in then}


def _differences(name: str, before: object, after: object) -> Iterator[str]:
    """Describes every difference by name, and goes into nested settings."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        same = before.get("fingerprint", 0) == after.get("fingerprint")  # one model under two names
        for key in sorted({*before, *after} - ({"name"} if same else set())):
            yield from _differences(f"{name} {key}", before.get(key), after.get(key))
    elif before != after:
        yield f"{printable(name)} was {str(before)[:24]!r} and is {str(after)[:24]!r}"


def _counted(samples: Sequence[Answer]) -> dict[str, bool]:
    """True or False for every measure that a prompt could count towards. Measures without a verdict are missing."""
    if len(samples) == 1:
        return counts_towards(samples[0])
    verdict = any_unsafe(samples).verdict if samples[0].measure == "asr" else None
    return {any_of(len(samples)): verdict == "unsafe"} if verdict else {}


def _decisive(samples: Sequence[Answer]) -> Answer:
    return next((answer for answer in samples if answer.outcome.verdict == "unsafe"), samples[0])


def _refuse_other_safety(before: Sequence[Answer], after: Sequence[Answer]) -> None:
    """Raises ValueError when one evaluation has a judge of harm, and the other only rules or a judge of refusals."""
    measured = [{one.measure for one in answers} & {"asr", "refusal"} for answers in (before, after)]
    if measured in ([{"asr"}, {"refusal"}], [{"refusal"}, {"asr"}]):
        first, second = ("attack success" if "asr" in one else "refusals alone" for one in measured)
        raise ValueError(
            f"the first evaluation measured {first} and the second {second}; evaluate both checkpoints with the same "
            "judge, or both without one."
        )


def _refuse_different_prompts(before: Sequence[Answer], after: Sequence[Answer]) -> None:
    if not before and not after:
        raise ValueError("neither evaluation holds answers, so nothing can be paired; evaluate both checkpoints again.")
    asked = [[(one.measure, one.group, one.prompt, one.sample) for one in answers] for answers in (before, after)]
    if asked[0] == asked[1]:
        return
    strange = sorted({one.prompt for one in before} ^ {one.prompt for one in after})
    order = "their order differs, or how often each was answered"
    what = (
        f"{counted(len(strange), 'prompt is', 'prompts are')} in one only, the first is {strange[0]!r}"
        if strange
        else order
    )
    raise ValueError(f"the two evaluations answered different prompts: {what}; evaluate both on the same suite.")
