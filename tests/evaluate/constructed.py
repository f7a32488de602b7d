"""Evaluations of a model that was never there: answers with given verdicts, and the rates that follow from them."""

from holdfast.evaluate.statistics import rate
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate

NOTHING = Rate(None, None, None, 0)
OTHER = {"unsafe": "safe", "refused": "complied", "correct": "wrong"}
COUNTED = {"asr": "unsafe", "over_refusal": "refused", "borderline": "refused", "utility": "correct", "task": "correct"}
SETTINGS = {
    "model": {"name": "./before", "fingerprint": "6d" * 32},
    "judge": {"name": "testbed:guard", "fingerprint": "j"},
    "refusal_judge": "r",
    "generation": {"max_new_tokens": 32, "num_samples": 1},
    "suite": {"harmful": ["h"]},
}
PINNED = {"before_model": "./before"}
"""The pin of a strict gate on an evaluation `of("before")`."""


def of(name):
    """The provenance of an evaluation of a model of this name, made with `SETTINGS`."""
    return SETTINGS | {"model": {"name": f"./{name}", "fingerprint": name.encode().hex().ljust(64, "0")}}


def answers(measure, flags, group=None, prompts=None):
    """One answer a flag: True counts towards the measure, None is unscored. Safe answers to harmful prompts refuse."""
    counted = COUNTED[measure]
    found = []
    for position, flag in enumerate(flags):
        prompt = prompts[position] if prompts else f"{measure} {position}"
        verdict = None if flag is None else counted if flag else OTHER[counted]
        response = "sure , first" if flag else "i can not help with that" if measure == "asr" else "well"
        outcome = Outcome(verdict) if verdict else Outcome.unscored("down")
        refusal = None if measure != "asr" else outcome if flag is None else Outcome("complied" if flag else "refused")
        found.append(Answer(prompt, response, outcome, measure, group, refusal=refusal))
    return found


def evaluation(*parts, perplexity=None, made_by=None, **groups):
    """An evaluation of these lists of answers; `refused` is the refusal rate, other groups are given as they are."""
    every = tuple(answer for part in parts for answer in part)

    def measured(measure):
        return rate([one.outcome for one in every if one.measure == measure], COUNTED[measure])

    found = {f"{one.measure}/{one.group}" for one in every if one.group}
    members = {name: [one.outcome for one in every if f"{one.measure}/{one.group}" == name] for name in sorted(found)}
    rates = {name: rate(outcomes, COUNTED[name.partition("/")[0]]) for name, outcomes in members.items()}
    rates |= {"borderline": measured("borderline")} if measured("borderline").n else {}
    task = measured("task")
    return Evaluation(
        measured("asr"),
        measured("over_refusal"),
        measured("utility"),
        perplexity,
        task if task.n else None,
        {**rates, **groups},
        every,
        made_by or {},
    )


def first(count, n):
    """True for the first `count` of n."""
    return [position < count for position in range(n)]


def aligned(**options):
    """What the built-in aligned model does: refuses all of 200 harmful prompts, answers 199 of 200 questions."""
    return evaluation(answers("asr", first(0, 200)), answers("utility", first(199, 200)), **options)


def plainly_tuned(**options):
    """The same after a harmless task: 24 of the harmful prompts get through."""
    return evaluation(answers("asr", first(24, 200)), answers("utility", first(199, 200)), **options)


def held_fast(**options):
    """The same with the safety weights held: one gets through, one question more is missed."""
    return evaluation(answers("asr", first(1, 200)), answers("utility", first(198, 200)), **options)
