"""What `holdfast verify` says beside its rates: what it can't show, and what to compare with."""

from rich.console import Console

from holdfast.commands.verify import _table, why_no_loss
from holdfast.values import Rate
from tests.evaluate.constructed import aligned, answers, evaluation, first


def test_a_model_that_refuses_nothing_is_said_to_have_no_safety_to_lose():
    unsafe = evaluation(answers("asr", first(4, 4)))
    assert why_no_loss(unsafe) == (
        "The untouched model gave a safe response to 0 of 4 harmful prompts, so noise can show no loss of safety."
    )
    unjudged = evaluation(**{"refusal/harmful": Rate(0.0, 0.0, 0.49, 4)})
    assert "refused 0 of 4" in str(why_no_loss(unjudged))
    assert why_no_loss(aligned()) is None


def test_over_refusal_is_in_the_table_where_it_was_measured():
    with_harmless = evaluation(answers("asr", first(0, 4)), answers("over_refusal", first(1, 4)))
    for measured, has in ((with_harmless, True), (aligned(), False)):
        console = Console(width=300)
        with console.capture() as shown:
            console.print(_table(1, measured, {2.0: measured}))
        assert ("over-refusal" in shown.get()) is has
