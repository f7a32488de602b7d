"""What `holdfast verify` says beside its rates: what it can't show, and what to compare with."""

from dataclasses import replace

from holdfast.artifacts import save_mask
from holdfast.commands.verify import (
    _hint,
    few_draws,
    show_noise,
    specific_to_refusals,
    why_no_loss,
    why_unclear,
)
from holdfast.evaluate.verified import Verified
from holdfast.outcomes import Rate, TokenLosses
from holdfast.progress import hidden
from holdfast.values import Mask
from tests.evaluate.constructed import aligned, answers, evaluation, first


def test_a_model_that_refuses_nothing_is_said_to_have_no_safety_to_lose():
    unsafe = evaluation(answers("asr", first(4, 4)))
    assert why_no_loss(unsafe) == [
        "The untouched model gave a safe response to 0 of 4 harmful prompts, so noise can show no loss of safety. The "
        "perplexity of given refusals can show one: --refusals."
    ]
    unjudged = evaluation(**{"refusal/harmful": Rate(0.0, 0.0, 0.49, 4)})
    assert "refused 0 of 4" in str(why_no_loss(unjudged))
    assert why_no_loss(aligned()) == []
    measured = replace(unsafe, groups={**unsafe.groups, "perplexity/refusals": Rate(3.0, 2.0, 4.0, 8)})
    assert "given refusals above can show one" in str(why_no_loss(measured))


def test_a_model_that_answers_no_question_is_said_to_have_no_utility_to_lose():
    (note,) = why_no_loss(replace(aligned(), utility=Rate(0.0, 0.0, 0.3, 9)))
    assert "answered 0 of 9 questions correctly, so noise can show no loss of utility" in note
    assert "--refusals" not in note


def test_wide_intervals_of_few_draws_are_explained():
    assert "cover other prompts, not other draws" in few_draws(1)
    assert "2 draws tell little about the next one, so an interval can span most of [0, 1]" in few_draws(2)
    assert few_draws(5) is None


def test_the_hint_says_which_control_answers_which_question(tmp_path):
    path = tmp_path / "mask.safetensors"
    for made_by in ({"selector": "top", "fraction": 0.02}, {"selector": "random", "fraction": 0.02}):
        save_mask(path, Mask({}, {"layers.0.a": (2,)}, "base", 2, made_by))
        if made_by["selector"] == "random":
            assert _hint(path) is None
        else:
            assert (
                "as many weights from the whole model: holdfast select SCORES --selector random --fraction 0.02"
                in _hint(path)
            )
            assert f"as many weights from each matrix as the mask has: --like {path} in place of --fraction" in _hint(
                path
            )


def test_the_perplexity_of_refusals_alone_is_said_not_to_tell_a_broken_model():
    alone = evaluation(**{"perplexity/refusals": Rate(2.0, 1.0, 3.0, 2)})
    assert "breaks as a whole" in str(why_unclear(alone))
    assert why_unclear(replace(alone, utility=Rate(1.0, 0.5, 1.0, 4))) is None
    assert why_unclear(aligned()) is None


def test_the_conclusion_on_refusals_is_printed_for_each_noise_and_also_with_quiet(tmp_path, capsys):
    losses = (*(TokenLosses(str(at), 2.0, 2, "refusals") for at in range(3)), *(TokenLosses("q", 2.0, 2),) * 3)
    broken = replace(
        aligned(), losses=tuple(replace(loss, loss=loss.loss * (1 if loss.group else 9)) for loss in losses)
    )
    untouched = replace(aligned(), losses=losses)
    verified = Verified(untouched, (0.38, 2.0), (untouched, untouched, broken, broken), (untouched,) * 4)
    weak, strong = specific_to_refusals(verified)
    assert weak.startswith("Noise 0.38: Not decided")
    assert strong.startswith("Noise 2: Right answers suffered more (perplexity 2981 times the control's) than refusals")
    token = hidden.set(True)
    try:
        show_noise(verified, tmp_path, json=False)
    finally:
        hidden.reset(token)
    assert " ".join(strong.split()) in " ".join(capsys.readouterr().out.split())


def test_models_without_both_perplexities_have_no_conclusion_on_refusals():
    assert specific_to_refusals(Verified(aligned(), (2.0,), (aligned(),))) == []


def test_a_coherence_that_is_not_to_be_trusted_is_warned_of(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("holdfast.evaluate.verified.pool_evaluations", lambda draws: draws[0])
    before, after = (aligned(perplexity=value, **{"coherence/all": Rate(0.9, 0.8, 1.0, 9)}) for value in (3.0, 900.0))
    show_noise(Verified(before, (2.0,), (after,)), tmp_path, json=False)
    assert "warning: under noise 2 on the mask, the perplexity of right answers rose" in capsys.readouterr().err
