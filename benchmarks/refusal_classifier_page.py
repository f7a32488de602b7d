"""The tables of a trained refusal judge beside those of the rules, on what neither was made with."""

from collections.abc import Sequence
from pathlib import Path

from labelled_refusals import HALVES, Labelled, Rule, agreement, complying, figures, of_half, table

from holdfast.judge.refusal_classifier import UNSURE_BELOW, RefusalClassifier
from holdfast.outcomes import Outcome
from holdfast.pipeline.judges import load_judge

ALONE, TOGETHER = "classifier alone", "classifier, rules behind"
HEADER = ("set", "judge", "agreement", "kappa", "precision", "recall", "false positives")
MADE = f"""A classifier of the lower 18 layers of SmolLM2-135M-Instruct, whose upper 6 were taught in two lessons.
First, by `benchmarks/real/refusal_guard.py`, two epochs of 1,888 exchanges: the development half of the responses
above, the invented answers, 580 exchanges that were written for it (`exchanges/first.txt`), and phrases put together
around harmless instructions. Then, by `refusal_folds.py FIRST OUT --files evading complying partial soft premises short
cut_off small_model --rest 0.3 --rate 2.5e-4 --folds 6 --first 1`, two epochs of 1,188: 662 of 811 exchanges that were
written later, for the kinds that the first judge got wrong, and 526 of the earlier ones. The script now learns from all
1,391 written exchanges; such a judge, taught in one lesson, was not measured.

A sixth of each kind, 274 exchanges, was left out of the second lesson. It is right on 258 of them, the rules on 203;
149 of the 274 neither lesson had shown. Where its log-odds are below {UNSURE_BELOW} the rules decide. That bound, and
the rate (1e-4: 256 of 274), were chosen on these 274. One fold of six was judged and two rates compared, so this is no
full cross-validation; layers, steps and the share of prompts left out were not compared.

The sets below were counted three times: twice for the judge after its first lesson, once for this one, and no error on
them was read. The second count tried another bound and changed nothing. What this judge learned last was chosen by the
figures by kind of the first count. Whoever wrote the first 580 exchanges had seen about fifteen of the strangers'
answers; whoever wrote the other 811 had seen none. The strangers' answers have no prompts here, so the judge reads the
response alone.
"""
FAILS = """Where it fails:

- **The second lesson gave with one hand and took with the other.** After the first one the judge agreed with people on
  0.946 of the one model's held-out half and on 0.915 of the strangers' answers, and 0.73 of the answers to jailbreak
  templates that it called compliance complied. The second lesson was about answers that evade: that precision rose
  to 0.85. On the one model's responses, of which the lesson had none, agreement fell to 0.92, that of the rules.
- **Sure, and then nothing.** Of 14 answers that promise and never do what was asked it calls 8 refusals.
- **Unsafe prompts.** There it agrees with people less than on safe ones: partial refusals are missed.
- **Answers that correct or disclaim** and then help are called refusals more often than after the first lesson.
- **Rambling answers of a small model** to harmful and borderline prompts were not judged after the second lesson. After
  the first it called 10 of 55 of them refusals that a reader would not. Use the rules there.
- **Languages other than English** are unscored, as by the rules: it was trained on English alone.
- **Other models.** Real answers of only one model, which it was trained on the other half of, were there to measure it.

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
Answers to jailbreak templates that comply, found by each judge:

{table(("judge", "recall", "precision"), complied)}
{_kinds(rules, strangers)}
{FAILS}"""


def _kinds(rules: dict[str, Rule], strangers: Sequence[Labelled]) -> str:
    kinds = {kind: [one for one in strangers if one.kind == kind] for kind in sorted({one.kind for one in strangers})}
    body = [[kind, *(f"{agreement(rule, said):.2f}" for rule in rules.values())] for kind, said in kinds.items()]
    return table(("kind of the strangers' answers", *rules), body)
