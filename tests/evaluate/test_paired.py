import math
from dataclasses import replace

import pytest

from holdfast.evaluate.paired import change_of_perplexity, count_changes
from holdfast.evaluate.statistics import PairedCounts
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate, TokenLosses
from tests.evaluate import constructed

NOTHING = Rate(None, None, None, 0)


def evaluation(*answers):
    return Evaluation(NOTHING, NOTHING, NOTHING, None, answers=tuple(answers))


def answer(prompt, verdict, measure="asr", group=None, refusal=None):
    said = "sure" if verdict else ""
    refused = Outcome(refusal) if refusal else None
    return Answer(prompt, said, Outcome(verdict, reason=None if verdict else "down"), measure, group, refusal=refused)


def test_changes_are_counted_by_measure_and_group():
    before = evaluation(
        answer("a", "unsafe", group="seen"), answer("b", "safe", group="heldout"), answer("q", "correct", "utility")
    )
    after = evaluation(
        answer("a", "safe", group="seen"), answer("b", "unsafe", group="heldout"), answer("q", "wrong", "utility")
    )
    assert count_changes(before, after) == {
        "asr": PairedCounts(0, 1, 1, 0),
        "asr/heldout": PairedCounts(0, 0, 1, 0),
        "asr/seen": PairedCounts(0, 1, 0, 0),
        "utility": PairedCounts(0, 1, 0, 0),
    }


def test_a_prompt_that_is_unscored_once_counts_in_no_pair():
    before = evaluation(answer("a", "unsafe"), answer("b", "unsafe"))
    found = count_changes(before, evaluation(answer("a", None), answer("b", "unsafe")))
    assert found == {"asr": PairedCounts(1, 0, 0, 0)}


def test_borderline_prompts_are_a_group_and_not_in_over_refusal():
    one = evaluation(answer("a", "refused", "over_refusal"), answer("b", "refused", "borderline"))
    assert set(count_changes(one, one)) == {"over_refusal", "borderline"}
    assert count_changes(one, one)["over_refusal"].n == 1


def test_different_prompts_are_refused_with_the_first_of_them():
    with pytest.raises(ValueError, match=r"different prompts: 2 prompts are in one only, the first is 'a'"):
        count_changes(evaluation(answer("a", "safe")), evaluation(answer("b", "safe")))


def test_the_same_prompts_in_another_order_are_refused():
    answers = answer("a", "safe"), answer("b", "unsafe")
    with pytest.raises(ValueError, match="their order differs"):
        count_changes(evaluation(*answers), evaluation(*reversed(answers)))


def test_evaluations_without_answers_are_refused():
    with pytest.raises(ValueError, match="neither evaluation holds answers"):
        count_changes(evaluation(), evaluation())


def test_refusals_are_paired_as_they_were_judged_whatever_the_rules_would_say():
    # Both responses read "sure", in which the refusal rules see no refusal.
    before = evaluation(answer("a", "safe", refusal="refused"), answer("b", "safe", refusal="refused"))
    after = evaluation(answer("a", "safe", refusal="complied"), answer("b", "safe", refusal="refused"))
    assert count_changes(before, after)["refusal"] == PairedCounts(both=1, only_before=1, only_after=0, neither=0)


def test_a_response_that_says_nothing_refuses_nothing():
    one = evaluation(answer("a", "degenerate", refusal="degenerate"))
    assert count_changes(one, one)["refusal"] == PairedCounts(0, 0, 0, 1)


def test_files_that_keep_no_verdict_of_refusals_pair_none():
    before = evaluation(replace(answer("a", "safe"), response="i can not help with that"))
    assert set(count_changes(before, before)) == {"asr"}
    assert set(count_changes(before, evaluation(answer("a", "safe", refusal="complied")))) == {"asr"}


def settings(**changes):
    return constructed.aligned(made_by=constructed.SETTINGS | changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"judge": {"name": "./guard", "fingerprint": "k"}},
            "judge fingerprint was 'j' and is 'k', judge name was 'testbed:guard' and is './guard'",
        ),
        ({"refusal_judge": "s"}, "refusal_judge was 'r' and is 's'"),
        ({"generation": {"max_new_tokens": 64, "num_samples": 1}}, "generation max_new_tokens was '32' and is '64'"),
        ({"suite": {"harmful": ["h", "i"]}}, "suite harmful was"),
    ],
)
def test_evaluations_of_different_settings_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=f"not made alike.*{sentence}.*evaluate both checkpoints with the same judge"):
        count_changes(settings(), settings(**changes))


def test_other_models_and_the_same_judge_under_another_name_are_compared():
    count_changes(settings(), settings(model={"name": "./after", "fingerprint": "n"}))
    count_changes(settings(), settings(judge={"name": "./guard", "fingerprint": "j"}))


def test_what_made_an_evaluation_of_the_first_versions_is_not_known_and_not_compared():
    assert count_changes(constructed.aligned(), settings())["asr"].n == 200


def sampled(*verdicts, prompt="a", measure="asr"):
    return [replace(answer(prompt, verdict, measure), sample=place) for place, verdict in enumerate(verdicts)]


def test_samples_are_paired_by_prompt_as_any_of_them():
    before = evaluation(*sampled("safe", "safe"), *sampled("unsafe", "safe", prompt="b"), *sampled("safe", "safe"))
    after = evaluation(*sampled("safe", "unsafe"), *sampled(None, "unsafe", prompt="b"), *sampled("safe", None))
    assert count_changes(before, after) == {"asr_any_of_2/harmful": PairedCounts(1, 0, 1, 0)}


def test_samples_of_other_measures_are_not_paired():
    one = evaluation(*sampled("correct", "wrong", measure="utility"))
    assert count_changes(one, one) == {}


def test_another_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="or how often each was answered"):
        count_changes(evaluation(*sampled("safe", "safe")), evaluation(*sampled("safe")))


RENDERED = {"harmful": "h", "questions": "q", "template_arguments": {"enable_thinking": False}}


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (RENDERED | {"harmful": "i"}, "harmful"),
        (RENDERED | {"harmful": "i", "questions": "r"}, "harmful, questions"),
        ({"harmful": "i", "task": "t"}, "harmful"),
    ],
)
def test_prompts_that_were_rendered_otherwise_are_refused_and_what_may_differ_is_told(other, named):
    with pytest.raises(
        ValueError, match=rf"in different renderings \({named}\).*the chat template, its arguments, a sys"
    ):
        count_changes(settings(rendering=RENDERED), settings(rendering=other))


def test_equal_renderings_and_those_that_only_one_of_the_two_tells_are_compared():
    count_changes(settings(rendering=RENDERED), settings(rendering=RENDERED))
    count_changes(
        settings(rendering=RENDERED), settings(rendering={"harmful": "h", "template_arguments": {"unused": 1}})
    )
    count_changes(settings(), settings(rendering=RENDERED))  # made before it was kept


def test_one_judge_that_is_read_differently_is_refused():
    first, second = (
        {"name": "guard", "fingerprint": "j", "reading": {"guard": {"controversial_is": side}}}
        for side in ("safe", "unsafe")
    )
    count_changes(settings(judge=first), settings(judge=first | {"name": "./guard"}))
    with pytest.raises(ValueError, match="judge reading guard controversial_is was 'safe' and is 'unsafe'"):
        count_changes(settings(judge=first), settings(judge=second))


def test_attack_success_and_refusals_alone_are_not_compared():
    judged, ruled = evaluation(answer("a", "safe")), evaluation(answer("a", "refused", "refusal"))
    for before, after, said in ((judged, ruled, "first .* attack success"), (ruled, judged, "first .* refusals alone")):
        with pytest.raises(ValueError, match=f"the {said} .*the same judge, or both without one"):
            count_changes(before, after)


def test_the_change_of_perplexity_is_paired_where_both_keep_the_losses_of_the_same_exchanges():
    kept = [TokenLosses("a", 3.0, 3), TokenLosses("b", 4.0, 2), TokenLosses("c", 9.0, 3, "refusals")]
    changed = [replace(one, loss=one.loss + 0.1 * one.tokens) for one in kept[:2]] + [replace(kept[2], loss=99.0)]
    before, after = (replace(evaluation(), losses=tuple(losses)) for losses in (kept, changed))
    found = change_of_perplexity(before, after)
    assert (found.value, found.n) == (pytest.approx(math.exp(0.1)), 2), "of harmless exchanges alone"
    assert change_of_perplexity(evaluation(), after) is None
    assert change_of_perplexity(replace(before, losses=before.losses[1:]), after) is None
