import pytest
import torch
from torch import nn

from holdfast.models.logits import logits_at, logits_budget
from tests.judge.guards import CASES


@pytest.mark.parametrize("name", ["llama-guard-4", "shieldgemma", "granite-guardian-3"])
def test_they_are_the_models_own_also_where_something_follows_the_head(name):
    model = CASES[name].model()
    token_ids = torch.randint(1, 400, (3, 12), generator=torch.manual_seed(0))
    positions = torch.tensor([11, 4, 7])
    with torch.no_grad():
        expected = model(token_ids).logits[torch.arange(3), positions]
        torch.testing.assert_close(
            logits_at(model, torch.arange(len(positions)), positions, {"input_ids": token_ids}), expected
        )


def test_the_model_is_given_back_without_a_hook_also_after_an_exception(llama):
    with pytest.raises(IndexError):
        logits_at(llama, torch.tensor([0]), torch.tensor([9]), {"input_ids": torch.tensor([[5]])})
    assert not llama.get_output_embeddings()._forward_pre_hooks


@pytest.mark.parametrize(("width", "budget"), [(512, 4096), (151_936, 441), (262_144, 256), (2**40, 1)])
def test_a_wide_vocabulary_makes_small_batches(width, budget, llama, monkeypatch):
    monkeypatch.setattr(llama, "get_output_embeddings", lambda: nn.Linear(1, width, bias=False, device="meta"))
    assert logits_budget(llama) == budget
