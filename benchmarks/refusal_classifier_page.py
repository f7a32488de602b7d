"""The tables of a trained refusal judge beside those of the rules, on what neither was made with."""

from collections.abc import Sequence
from pathlib import Path

from labelled_refusals import HALVES, Labelled, Rule, agreement, complying, figures, of_half, table

from holdfast.judge.refusal_classifier import UNSURE_BELOW, RefusalClassifier
from holdfast.outcomes import Outcome
from holdfast.pipeline.judges import load_judge

ALONE, TOGETHER = "classifier alone", "classifier, rules behind"
HEADER = ("set", "judge", "agreement", "kappa", "precision", "recall", "false positives")
MADE = f"""\
The judge is a classifier: the lower 18 layers of SmolLM2-135M-Instruct, with the upper 6 of them trained. We trained
it in two lessons.

1. `benchmarks/real/refusal_guard.py` trained it for two epochs of 1,888 exchanges: the development half of the
   responses above, the invented responses, 580 exchanges written for it (`exchanges/first.txt`), and phrases put
   together around harmless instructions.
2. `refusal_folds.py FIRST OUT --files evading complying partial soft premises short cut_off small_model --rest 0.3
   --rate 2.5e-4 --folds 6 --first 1` trained it for two epochs of 1,188 exchanges. 662 of these come from 811 that we
   wrote later, for the kinds that the first judge got wrong. 526 are from the first lesson.

The script now trains on all 1,391 written exchanges. We have not measured such a judge, trained in one lesson.

We left a sixth of each kind, 274 exchanges, out of the second lesson. The judge is right on 258 of them, and the
rules on 203. Neither lesson had shown 149 of the 274. If the judge's log-odds are below {UNSURE_BELOW}, the rules
decide. We chose that bound and the learning rate (1e-4: 256 of 274) on these 274. We judged one fold of six and
compared two rates, so this is no full cross-validation. We did not compare layers, steps and the share of prompts
left out.

We counted the sets below three times, twice for the judge after its first lesson and once for this one. We read no
error on them. The second count tried another bound and changed nothing. The first count's figures by kind decided the
content of the second lesson. The writer of the first 580 exchanges had seen about fifteen of the strangers'
responses. The writer of the other 811 had seen none. The strangers' responses have no prompts here, so the judge
reads the response alone.
"""
FAILS = """The judge fails on:

- **Responses of the one model.** The second lesson was about responses that evade, and had none of this model's.
  Agreement on the model's held-out half fell from 0.946 to 0.92, that of the rules. In return, the precision on
  compliance with jailbreak templates rose from 0.73 to 0.85. After the first lesson the judge agreed with 0.915 of
  the strangers' responses.
- **Promises without content.** 14 responses promise to help and then do not. It calls only 8 of them refusals.
- **Unsafe prompts.** It agrees with people less than on safe ones, because it misses partial refusals.
- **Responses that correct or disclaim and then help.** It calls them refusals more often than after the first lesson.
- **Rambling responses of a small model to harmful and borderline prompts.** After the first lesson it called 10 of 55
  of them refusals, which a reader would not. We have not repeated this after the second lesson. Use the rules for
  such models.
- **Languages other than English.** They are unscored, as by the rules, because we trained it on English alone.
- **Other models.** We had real responses of only one model to measure it on, and trained it on the other half of
  them.

"""
STRANGERS = ("safe", "unsafe", "doubtful", "jailbreaks")


def trained_rules(folder: Path, responses: Sequence[Labelled]) -> dict[str, Rule]:
    """The classifier by itself, and as `--refusal-judge` has it: every response is judged once."""
    judge = load_judge(str(folder))
    assert isinstance(judge, RefusalClassifier), f"{folder} has other labels than refused and answered"
    said = [one.response for one in responses]
    alone = judge.classify([one.prompt for one in responses], said)
    together = judge.decide(alone, said)
    return {
        ALONE: _looked_up(responses, alone),
        TOGETHER: _looked_up(responses, together),
    }


def _looked_up(responses: Sequence[Labelled], outcomes: Sequence[Outcome]) -> Rule:
    """What was said of each response; what is unscored counts as no refusal, as the rules count it."""
    said = {one: outcome.verdict == "refused" for one, outcome in zip(responses, outcomes, strict=True)}
    return said.__getitem__


def trained_section(rules: dict[str, Rule], labelled: Sequence[Labelled], strangers: Sequence[Labelled]) -> str:
    """Figures by set, answers to jailbreak templates, and agreement by kind."""
    held_out = of_half(labelled, HALVES[1])
    sets = {"one model, held out": held_out}
    for unsafe in (False, True):
        name = f"one model, held out, {'unsafe' if unsafe else 'safe'} prompts"
        sets[name] = [one for one in held_out if one.unsafe == unsafe]
    sets["strangers, all"] = list(strangers)
    sets |= {f"strangers, {part}": of_half(strangers, part) for part in STRANGERS}
    body = [[name, judge, *figures(rule, said)] for name, said in sets.items() for judge, rule in rules.items()]
    jailbreaks = of_half(strangers, "jailbreaks")
    complied = [[judge, *map(str, complying(rule, jailbreaks))] for judge, rule in rules.items()]
    return f"""## A trained judge beside the rules

{MADE}
{table(HEADER, body)}
The table shows how well each judge finds compliance with jailbreak templates:

{table(("judge", "recall", "precision"), complied)}
{_kinds(rules, strangers)}
{FAILS}"""


def _kinds(rules: dict[str, Rule], strangers: Sequence[Labelled]) -> str:
    kinds = {kind: [one for one in strangers if one.kind == kind] for kind in sorted({one.kind for one in strangers})}
    body = [[kind, *(f"{agreement(rule, said):.2f}" for rule in rules.values())] for kind, said in kinds.items()]
    return table(("kind of the strangers' responses", *rules), body)
