"""A check of weights warns of another config and of broken weights, and says nothing of what training changes."""

import json
from pathlib import Path

import torch

from holdfast.pipeline.checking import check_hold
from tests.pipeline.test_checking import NAME, mask_of
from tests.stored import save, tune
from tests.tiny import make_llama


def folders(tmp_path, tuned):
    base = make_llama()
    return save(tmp_path / "tuned", tuned), save(tmp_path / "base", base), mask_of(base, [3])


def settings(folder, **changed):
    path = Path(folder) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def tuned_model():
    tuned, base = tune(make_llama()), make_llama()
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1)[3] = base.get_parameter(NAME).view(-1)[3]
    return tuned


def test_another_config_is_warned_of_by_the_names_of_its_settings(tmp_path, caplog):
    model, base, mask = folders(tmp_path, tuned_model())
    settings(model, rms_norm_eps=1.0)
    assert check_hold(model, base, mask)
    (sentence,) = caplog.messages
    assert sentence == (
        "config.json differs from that of the base in rms_norm_eps, so the same weights may answer differently; only "
        "weights are compared."
    )


def test_what_trainers_change_in_a_config_is_not_warned_of(tmp_path, caplog):
    model, base, mask = folders(tmp_path, tuned_model())
    settings(model, use_cache=False, pad_token_id=1, transformers_version="4.0.0")
    assert check_hold(model, base, mask)
    assert caplog.messages == []


def test_weights_that_became_no_numbers_are_warned_of(tmp_path, caplog):
    tuned = tuned_model()
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1)[[5, 6]] = torch.tensor([torch.nan, torch.inf])
    model, base, mask = folders(tmp_path, tuned)
    assert check_hold(model, base, mask), "the held weight kept its bits"
    (sentence,) = caplog.messages
    assert sentence.startswith(
        f"2 weights are NaN or infinite in the tuned checkpoint and not in the base, first in {NAME}"
    )
