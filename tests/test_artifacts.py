"""Files that are not as they were written are told of in one sentence."""

import json

import pytest
import torch
from safetensors.torch import save_file

from holdfast.artifacts import load_evaluation, load_mask, load_patch, load_scores

LOAD = {"mask": load_mask, "scores": load_scores, "patch": load_patch}


@pytest.mark.parametrize("kind", LOAD)
def test_a_file_without_its_header_or_a_part_of_it_is_refused(tmp_path, kind):
    path, tensors = tmp_path / "file.safetensors", {"a:index": torch.zeros(1)}
    save_file(tensors, path, {"holdfast": kind})
    with pytest.raises(ValueError, match=f"{kind} file .* lacks 'header'; make it again"):
        LOAD[kind](path)
    save_file(tensors, path, {"holdfast": kind, "header": "{}"})
    with pytest.raises(ValueError, match=f"{kind} file .* lacks '(shapes|unit)'; make it again"):
        LOAD[kind](path)
    save_file(tensors, path, {"holdfast": kind, "header": "[]"})
    with pytest.raises(ValueError, match="is not as holdfast writes it"):
        LOAD[kind](path)


@pytest.mark.parametrize(("content", "message"), [({}, "lacks 'answers'"), ({"answers": 3}, "not as holdfast")])
def test_an_evaluation_that_lacks_a_part_is_refused(tmp_path, content, message):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_evaluation(path)
