"""Functions on a model take a LoadedModel as well, since that is what `load_model` returns."""

import torch

import holdfast
from holdfast import Direction, perturbed, steered
from tests.intervene.given import load_tiny, random_mask


def logits(model):
    with torch.no_grad():
        return model(torch.arange(5)[None]).logits


def test_steering_and_noise_take_a_loaded_model_as_its_model():
    loaded = load_tiny(torch.float32)
    mask, width = random_mask(loaded.model), loaded.model.config.hidden_size
    direction = Direction(torch.arange(1.0, width + 1), 0, 1.0, loaded.base)
    plain = logits(loaded.model)
    changed = []
    for given in (loaded, loaded.model):
        with steered(given, direction, 0.5):
            changed.append(logits(loaded.model))
        with perturbed(given, mask, 0.5, torch.Generator().manual_seed(0)):
            changed.append(logits(loaded.model))
    assert torch.equal(changed[0], changed[2])
    assert torch.equal(changed[1], changed[3])
    assert not any(torch.equal(plain, one) for one in changed)
    assert torch.equal(plain, logits(loaded.model))


def test_sites_and_optimizers_take_a_loaded_model_as_well():
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model)
    assert holdfast.list_sites(loaded) == holdfast.list_sites(loaded.model)
    optimizer = torch.optim.SGD(loaded.model.parameters(), lr=0.1)
    with holdfast.protect(optimizer, mask, loaded) as hold:
        hold.verify()
