"""A name that is misspelt is answered in one way, wherever it was given."""

from pathlib import Path

import pytest

from holdfast.spelling import meant
from holdfast.testbed import model_path

SOURCE = Path(__file__).parents[1] / "src"


def test_the_nearest_name_is_asked_for_and_all_are_listed():
    assert meant("utilty", ["asr", "utility"]) == "did you mean 'utility'? known: asr, utility"
    assert meant("zzz", ["asr", "utility"]) == "known: asr, utility"
    assert meant("asrr", iter(["asr"]), "`ls` lists them") == "did you mean 'asr'? `ls` lists them"
    with pytest.raises(ValueError, match=r"no built-in model is called 'alinged'; did you mean 'aligned'\? known: "):
        model_path("alinged")


def test_nothing_else_looks_for_the_nearest_name():
    asking = [path.name for path in SOURCE.rglob("*.py") if "get_close_matches" in path.read_text(encoding="utf-8")]
    assert asking == ["spelling.py"]
