import math
from dataclasses import dataclass

import numpy as np
import pytest

from holdfast.arguments import checked_call, require_choice, require_rate, require_seed, require_share, require_steps


@checked_call
def tune(model: str, mask: str | None = None, *, rate: float, steps: int = 3) -> str:
    """Tunes."""
    return f"{model} {mask} {rate} {steps}"


@checked_call
@dataclass(frozen=True)
class Sets:
    harmful: int = 0
    harmless: int = 0

    def __post_init__(self) -> None:
        len(self.harmful)  # pyright: ignore[reportArgumentType] - a mistake of ours, within


@pytest.mark.parametrize(
    ("given", "named", "sentence"),
    [
        ((), {"rate": 1}, "tune needs model; call tune(model, rate=...)."),
        ((), {}, "tune needs model and rate; call tune(model, rate=...)."),
        (("m", "a", 3), {}, "tune takes 2 (model, mask) without a name, got 3; give the others by name: rate, steps."),
        (("m",), {"model": "m"}, "tune got 'model' twice, by its place and by its name; give it once."),
        (("m",), {"rat": 1}, "tune takes no 'rat'; did you mean 'rate'? known: model, mask, rate, steps."),
    ],
)
def test_a_call_that_does_not_fit_is_one_sentence(given, named, sentence):
    with pytest.raises(ValueError, match=r"^tune ") as told:
        tune(*given, **named)
    assert str(told.value) == sentence
    assert told.value.__cause__ is None


def test_a_call_that_fits_is_made_and_keeps_its_name_and_its_own_errors():
    assert tune("m", rate=1) == "m None 1 3"
    assert (tune.__name__, tune.__doc__) == ("tune", "Tunes.")
    with pytest.raises(TypeError, match=r"object of type 'int' has no len\(\)"):
        Sets(3)
    with pytest.raises(ValueError, match=r"^Sets takes no 'harmfull'; did you mean 'harmful'\? known: harmful, harml"):
        Sets(harmfull=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match=r"^Sets takes 2 \(harmful, harmless\) without a name, got 3; leave the oth"):
        Sets(1, 2, 3)  # pyright: ignore[reportCallIssue]


@checked_call
def save(path: str, overwrite: bool = False, *, check: bool = True) -> tuple[bool, bool]:
    return overwrite, check


@pytest.mark.parametrize("given", ["false", "", None, 0, 1, "True"])
def test_a_switch_is_true_or_false_and_no_text_that_python_takes_for_true(given):
    for refused in (lambda: save("a", given), lambda: save("a", overwrite=given)):
        with pytest.raises(ValueError, match=rf"^overwrite is {given!r}; give True or False\.$"):
            refused()
    with pytest.raises(ValueError, match=rf"^check is {given!r}; give True or False\.$"):
        save("a", check=given)
    assert save("a", True, check=False) == (True, False)


def test_a_rate_is_a_number_from_0_to_1():
    for given in (0, 0.05, 1, np.float32(0.5)):
        require_rate("stop_above", given)
    for given in (1.001, 5, "0.05", math.inf, math.nan, -1e-9, False):
        with pytest.raises(ValueError, match=rf"^stop_above={given!r} is not a rate from 0 to 1; "):
            require_rate("stop_above", given)


def test_a_choice_and_a_number_of_steps_are_checked():
    require_choice("dtype", "float32", ("auto", "float32"))
    for given, end in (("flaot32", "did you mean 'float32'? known: auto, float32."), (3, "known: auto, float32.")):
        with pytest.raises(ValueError, match=r"^dtype is ") as told:
            require_choice("dtype", given, ("auto", "float32"))
        assert str(told.value).endswith(end)
    require_steps("every", 0, least=0)
    for given in (0, "5", 2.5):
        with pytest.raises(ValueError, match=rf"^every={given!r} is not a number of steps; give 1 or more\.$"):
            require_steps("every", given, least=1)


@pytest.mark.parametrize("given", [math.nan, math.inf, -1, 2**32, 1.0, True, "0"])
def test_a_seed_is_a_whole_number_that_every_generator_takes(given):
    with pytest.raises(ValueError, match=r"^seed is .*; give a whole number from 0 to 4294967295\.$"):
        require_seed(given)
    require_seed(2**32 - 1)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (0, "give a number such as 0.01"),
        (-1, "give a number such as 0.01"),
        (1, "write 5% as 0.05"),
        (math.nan, "give a number such as 0.01"),
        (True, "give a number such as 0.01"),
        ("1%", "give a number such as 0.01"),
    ],
)
def test_a_share_lies_above_0_and_below_1(given, remedy):
    with pytest.raises(ValueError, match=f"is not a share above 0 and below 1; {remedy}"):
        require_share("fraction", given)
    require_share("fraction", np.float32(0.01))
