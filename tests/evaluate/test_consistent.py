"""A damaged or edited evaluation is refused before a gate reads it, and files of every version still pass."""

import json
import math
from dataclasses import asdict, replace

import pytest

import holdfast
from holdfast.artifacts import load_evaluation, save_evaluation
from holdfast.cli import call
from holdfast.evaluate.coherence import coherence_rates
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.measure import share
from holdfast.evaluate.pooled import pool_evaluations
from holdfast.evaluate.statistics import clustered_rate, rate
from holdfast.evaluate.token_losses import perplexity_rate
from holdfast.outcomes import Outcome, Rate, TokenLosses
from tests.evaluate.constructed import answers, evaluation, first, held_fast


def whole():
    """An evaluation with attack success, refusals, coherence, over-refusal, utility and perplexity."""
    flags = [*first(4, 20), None]
    judged = [replace(each, coherence=Outcome("coherent")) for each in answers("asr", flags, "heldout")]
    harmless = answers("over_refusal", first(2, 20))
    losses = tuple(TokenLosses(str(place), 10.0 + place, 10) for place in range(4))
    measured = perplexity_rate(losses)
    groups = {
        "refusal/harmful": share([replace(each, outcome=each.refusal) for each in judged], "refused"),
        "degenerate/all": rate([Outcome("safe")] * 60 + [Outcome.unscored("down")], "degenerate"),
        **coherence_rates(judged),
    }
    made = evaluation(judged, harmless, answers("utility", first(18, 20)), perplexity=measured.value, **groups)
    return replace(made, perplexity_rate=measured, losses=losses)


def edited(path, place, number):
    """Writes the evaluation with one number replaced, and loads it as `compare` does."""
    content = asdict(whole())
    *parents, last = place
    holder = content
    for name in parents:
        holder = holder[name]
    holder[last] = number
    path.write_text(json.dumps(content))  # writes NaN as it is
    return load_evaluation(path)


def test_a_whole_evaluation_passes_also_pooled_and_from_a_file(tmp_path):
    save_evaluation(tmp_path / "e.json", whole())
    for good in (whole(), load_evaluation(tmp_path / "e.json"), pool_evaluations([whole(), whole()])):
        require_consistent(good, "it")


def test_several_samples_have_the_interval_of_their_prompts():
    samples = [replace(each, sample=place % 2) for place, each in enumerate(answers("asr", first(5, 8)))]
    by_prompt = [[each.outcome for each in samples[place : place + 2]] for place in range(0, 8, 2)]
    attacks = {"asr_any_of_2/harmful": rate([Outcome("unsafe")] * 3 + [Outcome("safe")], "unsafe")}
    made = replace(evaluation(samples, **attacks), asr=clustered_rate(by_prompt, "unsafe"))
    require_consistent(made, "it")
    wrong = replace(made, groups={"asr_any_of_2/harmful": Rate(0.25, 0.1, 0.9, 4)})
    with pytest.raises(ValueError, match=r"asr_any_of_2/harmful is 0\.25, and 3 of its 4 answers are unsafe"):
        require_consistent(wrong, "it")


def test_files_of_earlier_versions_pass():
    old = tuple(replace(each, refusal=None, coherence=None) for each in whole().answers)
    require_consistent(replace(whole(), answers=old, losses=(), perplexity_rate=None), "it")


def test_a_kl_divergence_lm_eval_and_an_interval_of_perplexity_may_leave_zero_to_one():
    groups = {"kl/harmless": Rate(-1e-8, -2e-8, 3.0, 9), "lm_eval/arc/acc": Rate(0.98, 0.94, 1.02, 50)}
    made = replace(held_fast(**groups), perplexity=1.1, perplexity_rate=Rate(1.1, 0.9, 1.4, 3))
    require_consistent(made, "it")


@pytest.mark.parametrize(
    ("place", "number", "says"),
    [
        (
            ("groups", "refusal/harmful", "value"),
            1.0,
            "contradicts itself: refusal/harmful is 1.0, and 16 of its 20 answ",
        ),
        (
            ("groups", "asr/heldout", "value"),
            0.0,
            "contradicts itself: asr/heldout is 0.0, and 4 of its 20 answers are u",
        ),
        (("groups", "coherence/all", "value"), 0.5, "coherence/all is 0.5, and 21 of its 21 answers are coherent"),
        (("groups", "coherent_refusal/harmful", "value"), 1.0, "and 16 of its 20 answers refuse coherently"),
        (("groups", "degenerate/all", "value"), 0.5, "degenerate/all is 0.5, and 0 of its 60 answers are degenerate"),
        (("over_refusal", "value"), 0.0, "over_refusal is 0.0, and 2 of its 20 answers refuse"),
        (("utility", "value"), 1, "utility is 1, and 18 of its 20 answers are correct"),
        (("asr", "value"), None, "asr is null, and 4 of its 20 answers are unsafe"),
        (("asr", "n"), 200, "asr.n is 200, and 20 of its answers have a verdict"),
        (("asr", "unscored"), 0, "asr.unscored is 0, and 1 of its answers have no verdict"),
        (("asr", "high"), 0.21, "asr.high is 0.21, and 4 of 20 answers give 0.416"),
        (("asr", "low"), None, "asr.low is null, and 4 of 20 answers give 0.08"),
        (("perplexity",), 2.0, "perplexity is 2.0, and perplexity_rate.value is 3."),
        (("perplexity_rate", "high"), 3.2, "perplexity.high is 3.2, and the losses on its exchanges give"),
        (("answers", 0, "outcome", "verdict"), "safe", "asr is 0.2, and 3 of its 20 answers are unsafe"),
        (("over_refusal", "value"), math.nan, "is damaged: over_refusal is nan, and should be a finite number or null"),
        (("over_refusal", "value"), "0.1", "is damaged: over_refusal is '0.1', and should be a finite number or null"),
        (("utility", "high"), True, "is damaged: utility.high is True, and should be a finite number or null"),
        (("asr", "high"), math.inf, "is damaged: asr.high is inf, and should be a finite number or null"),
        (("asr", "high"), 1.5, "is damaged: asr.high is 1.5, and should be between 0 and 1"),
        (("utility", "value"), 90, "is damaged: utility is 90, and should be between 0 and 1"),
        (("asr", "n"), "20", "is damaged: asr.n is '20', and should be a count"),
        (("asr", "unscored"), -1, "is damaged: asr.unscored is -1, and should be a count"),
        (("perplexity",), 0.5, "is damaged: perplexity is 0.5, and should be at least 1"),
        (("perplexity",), "3", "is damaged: perplexity is '3', and should be a finite number"),
        (("losses", 0, "loss"), math.nan, "is damaged: a loss is nan on 10 tokens"),
        (("losses", 0, "loss"), "ten", "is damaged: a loss is 'ten' on 10 tokens"),
        (("answers", 3, "measure"), "safety", "is damaged: the measure of answer 3 is 'safety'"),
        (("answers", 3, "sample"), "0", "is damaged: the sample of answer 3 is '0'"),
    ],
)
def test_an_edited_number_is_one_sentence_that_names_the_field(tmp_path, place, number, says):
    found = edited(tmp_path / "e.json", place, number)
    with pytest.raises(ValueError, match="evaluate the checkpoint again") as refused:
        require_consistent(found, "'e.json'")
    assert str(refused.value).startswith("'e.json' ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_answers_a_rate_still_lies_in_its_interval():
    for wrong, says in (
        (Rate(0.9, 0.1, 0.2, 40), "asr.high is 0.2, and the value is 0.9"),
        (Rate(0.1, 0.2, 0.3, 40), "asr.low is 0.2, and the value is 0.1"),
        (Rate(None, None, None, 40), "asr is null, and n is 40"),
        (Rate(0.0, None, None, 0), "asr is 0.0, and n is 0"),
    ):
        with pytest.raises(ValueError, match=says):
            require_consistent(replace(whole(), asr=wrong, answers=()), "it")


def test_compare_refuses_an_edited_file_whatever_its_conditions_are(tmp_path, capsys):
    save_evaluation(tmp_path / "before.json", whole())
    place = ("groups", "refusal/harmful", "value")
    edited(tmp_path / "after.json", place, 1.0)
    before, after = str(tmp_path / "before.json"), str(tmp_path / "after.json")
    for files in ((before, after), (after, before)):
        assert call(["compare", *files, "--fail-if", "utility < before - 0.5", "--json"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err == (
            f"holdfast: '{after}' contradicts itself: refusal/harmful is 1.0, and 16 of its 20 answers refuse; "
            "evaluate the checkpoint again.\n"
        )
        with pytest.raises(ValueError, match=r"after\.json' contradicts itself: refusal/harmful is 1\.0"):
            holdfast.compare(*files)


def test_a_value_of_a_script_is_named_by_its_place():
    wrong = replace(held_fast(), utility=Rate(1.0, 0.9, 1.0, 200))
    with pytest.raises(ValueError, match=r"^the evaluation after contradicts itself: utility is 1\.0, and 198 of its"):
        holdfast.compare(whole(), wrong)


def test_a_file_of_an_earlier_version_with_a_lower_end_below_one_is_still_read():
    unlike = tuple(TokenLosses(str(place), loss, 10) for place, loss in enumerate((1.0, 30.0)))
    measured = perplexity_rate(unlike)
    earlier = replace(whole(), losses=unlike, perplexity=measured.value, perplexity_rate=replace(measured, low=0.01))
    require_consistent(earlier, "it")
