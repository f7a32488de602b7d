"""Compares every measure that either of two evaluations has: rates, pairs, perplexities, and their corrected tests.

The paired test is the exact McNemar test on the prompts scored under both checkpoints, with its p value corrected
(Holm) over all measures compared. Perplexity has a paired t test on the exchanges (`token_losses.py`), and response
length one on the prompts (`response_length.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.evaluate.compared import Compared, Measures, Reading
from holdfast.evaluate.counted import LONG_NAMES, counts_by_prompt
from holdfast.evaluate.lost import with_lost
from holdfast.evaluate.paired import count_prompts, pair_prompts
from holdfast.evaluate.response_length import changes_of_length
from holdfast.evaluate.token_losses import losses_by_name, perplexity_ratio
from holdfast.evaluate.unscored import with_unscored
from holdfast.holm import holm
from holdfast.measure_names import place_of
from holdfast.outcomes import Evaluation, Rate

Shares = Mapping[str, tuple[tuple[float, float], ...]]


def compare_measures(before: Evaluation, after: Evaluation) -> Measures:
    """Compares every measure that either evaluation has. Groups follow their measure."""
    then, now = _readings(before), _readings(after)
    pairs = {LONG_NAMES.get(name, name): found for name, found in pair_prompts(before, after).items()}
    names = sorted(then.keys() | now.keys(), key=place_of)
    losses, shares = [losses_by_name(one.losses) for one in (before, after)], _shares_of_samples(before, after)
    lengths = {LONG_NAMES.get(name, name): one for name, one in changes_of_length(before, after).items()}
    found = {
        name: Compared(
            name,
            then.get(name),
            now.get(name),
            tuple(pairs.get(name, ())),
            count_prompts(pairs[name]) if name in pairs else None,
            ratio=perplexity_ratio(*(one.get(name, []) for one in losses)),
            shares=shares.get(name, ()),
            lengths=lengths.get(name),
        )
        for name in names
    }
    p_values = {name: one.p_value for name, one in found.items() if one.p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    found = {name: replace(one, corrected_p=corrected.get(name)) for name, one in found.items()}
    found = with_unscored(with_lost(found, before, after), before, after)
    if "asr" not in found and "refusal" in found:
        found["not_refused"] = _turned(found["refusal"])
    return Measures({name: found[name] for name in sorted(found, key=place_of)})


def _turned(refusal: Compared) -> Compared:
    """Turns `refusal` into `not_refused`, for use where attack success is missing. Both names share one test."""
    before, after = (one.complement if isinstance(one, Rate) else None for one in (refusal.before, refusal.after))
    prompts = tuple(replace(one, before=not one.before, after=not one.after) for one in refusal.prompts)
    lost = refusal.lost
    turned_lost = lost and replace(lost, counted=_turned(lost.uncounted), uncounted=_turned(lost.counted))
    return replace(
        refusal,
        name="not_refused",
        before=before,
        after=after,
        prompts=prompts,
        paired=count_prompts(prompts) if prompts else None,
        shares=tuple((1 - before, 1 - after) for before, after in refusal.shares),
        lost=turned_lost,
        unscored=tuple(replace(one, before=None if one.before is None else not one.before) for one in refusal.unscored),
    )


def _shares_of_samples(before: Evaluation, after: Evaluation) -> Shares:
    """Pairs each prompt's shares of samples that count, by measure. Empty if every prompt has one sample."""
    if all(answer.sample == 0 for answer in before.answers):
        return {}
    then, now = (counts_by_prompt(one.answers) for one in (before, after))
    return {
        LONG_NAMES.get(name, name): tuple(
            (then[name][place], now[name][place]) for place in then[name] if place in now[name]
        )
        for name in then.keys() & now.keys()
    }


def _readings(evaluation: Evaluation) -> dict[str, Reading]:
    """Lists the measured readings by name. A rate without any prompt is left out."""
    named = {"asr": evaluation.asr, "over_refusal": evaluation.over_refusal, "utility": evaluation.utility}
    named |= {"task": evaluation.task} if evaluation.task else {}
    named |= {LONG_NAMES.get(name, name): rate for name, rate in evaluation.groups.items()}
    found: dict[str, Reading] = {name: rate for name, rate in named.items() if rate.n or rate.unscored}
    surprise = evaluation.perplexity_rate or evaluation.perplexity
    return found | ({"perplexity": surprise} if surprise is not None else {})
