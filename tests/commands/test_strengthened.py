"""A shift that many tokens hardly get is warned of."""

import pytest

from holdfast.commands.strengthened import _warn_of_unevenness
from holdfast.pipeline.direction_editing import Evenness, ShiftByToken

EVEN = ShiftByToken(tokens=20, mean=1.0, variation=0.1, below_half=0.0)
UNEVEN = ShiftByToken(tokens=20, mean=0.6, variation=0.5, below_half=0.25)


@pytest.mark.parametrize(
    ("prompts", "responses", "warned"),
    [
        (EVEN, EVEN, []),
        (EVEN, None, []),
        (UNEVEN, EVEN, ["prompts left out"]),
        (EVEN, UNEVEN, ["responses to prompts"]),
    ],
)
def test_tokens_that_move_by_less_than_half_are_warned_of(prompts, responses, warned, capsys):
    _warn_of_unevenness(Evenness(made_on=EVEN, prompts=prompts, responses=responses, num_held_out=4))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(warned)
    for line, name in zip(lines, warned, strict=True):
        assert f"25% of the tokens of {name}" in line
