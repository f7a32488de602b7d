"""Two logs that are swapped: warned of by their dates, and refused by a strict gate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.evaluate.logs.comparing import gate_logs
from holdfast.evaluate.logs.inspect_ai import read
from holdfast.evaluate.logs.order import require_order
from holdfast.evaluate.logs.readers import read_logs
from holdfast.evaluate.pinned import Pins
from tests.evaluate.logs.constructed import inspect_log
from tests.evaluate.logs.test_comparing import MADE

NAMES = "before_model and after_model"


def logs_of(folder, before, after):
    return tuple(
        read(inspect_log(folder / f"{name}.json", scores)) for name, scores in (("before", before), ("after", after))
    )


@pytest.mark.parametrize("program", ["inspect", "lm-eval", "garak"])
def test_a_log_before_that_is_newer_is_warned_of_with_both_models(program, made):
    before, after = read_logs(*(made / name for name in MADE[program]))
    assert before.began.year == after.began.year == 2026
    assert before.began.utcoffset() == timedelta(0)
    if before.began > after.began:
        before, after = after, before
    sentence = f"({str(after.path)!r} of {after.model!r}, {after.began:%Y-%m-%d %H:%M:%S}) is newer than the log after"
    assert not any("newer" in one for one in gate_logs(before, after).warnings)
    (warning,) = [one for one in gate_logs(after, before).warnings if "newer" in one]
    assert sentence in warning
    assert warning.endswith("so the two may be swapped; check the order of the two paths.")


def test_of_logs_without_a_date_one_note_says_which_is_taken_as_before(tmp_path):
    before, after = (replace(log, began=None) for log in logs_of(tmp_path, ["C", "I"], ["C", "C"]))
    (note,) = [one for one in gate_logs(after, before).warnings if "began" in one]
    taken = f"{str(after.path)!r} is taken as before and {str(before.path)!r} as after"
    assert note == f"neither log says when its run began, so {taken}; check the order of the two paths."
    dated = replace(before, began=datetime(2026, 11, 30, tzinfo=UTC))
    assert not any("began" in one for one in gate_logs(dated, after).warnings)
    nameless = (replace(log, model=None) for log in (before, after))
    assert len([one for one in gate_logs(*nameless).warnings if "order of the two paths" in one]) == 1


def test_a_strict_gate_needs_the_name_of_one_of_two_models(tmp_path):
    before, after = logs_of(tmp_path, "CI", "CC")
    with pytest.raises(ValueError, match="nothing says which log is of the released model") as refused:
        require_order(before, after, Pins(), NAMES)
    sentence = str(refused.value)
    assert "give before_model and after_model, which a strict gate on two logs needs" in sentence
    assert "(the two name 'before' and 'after')" in sentence
    for pins in (Pins(before_model="before"), Pins(after_model="after")):
        require_order(before, after, pins, NAMES)


def test_a_strict_gate_takes_two_logs_of_one_name_only_if_the_first_is_older(tmp_path):
    later = datetime(2026, 12, 1, tzinfo=UTC)
    before, after = (replace(log, model="./candidate") for log in logs_of(tmp_path, "CI", "CC"))
    require_order(before, replace(after, began=later), Pins(), NAMES)
    with pytest.raises(ValueError, match=r"both logs name the model '\./candidate' and the first one is not the older"):
        require_order(replace(before, began=later), after, Pins(), NAMES)
    with pytest.raises(ValueError, match="neither log names its model and they do not say when they began"):
        require_order(*(replace(log, model=None, began=None) for log in (before, after)), Pins(), NAMES)
