"""Functions that save for scripts never replace a file by accident."""

import pytest
import torch

import holdfast
from holdfast import Direction, Mask, Patch, Scores
from holdfast.outcomes import Evaluation, Rate

BASE = "0123456789abcdef"
RATE = Rate(0.125, 0.07, 0.2, 200)
VALUES = {
    "scores": Scores({"a": torch.ones(10, 20)}, "log-odds", BASE, 300),
    "mask": Mask({"a": torch.arange(3)}, {"a": (10, 20)}, BASE, 300),
    "patch": Patch({"a": torch.arange(3)}, {"a": torch.ones(3)}, {"a": (10, 20)}, BASE),
    "direction": Direction(torch.ones(16), 0, 1.0, BASE),
    "evaluation": Evaluation(RATE, RATE, RATE, 12.0),
}


@pytest.mark.parametrize("kind", VALUES)
def test_an_existing_file_is_kept_unless_the_caller_allows_to_replace_it(kind, tmp_path):
    save, path = getattr(holdfast, f"save_{kind}"), tmp_path / "new" / "file"
    save(path, VALUES[kind])
    assert getattr(holdfast, f"load_{kind}")(path) == VALUES[kind]
    path.write_bytes(b"of somebody else")
    with pytest.raises(ValueError, match=r"file' exists already; choose another path, or give overwrite=True"):
        save(str(path), VALUES[kind])
    assert path.read_bytes() == b"of somebody else"
    save(path, VALUES[kind], overwrite=True)
    assert getattr(holdfast, f"load_{kind}")(path) == VALUES[kind]
