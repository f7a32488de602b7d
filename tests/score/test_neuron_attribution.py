"""Attributions to neurons equal captum's, whose forward pass is patched by a hook of this file alone."""

import pytest
import torch

from holdfast import load_exchanges, load_model
from holdfast.models.activation_sites import neuron_sites
from holdfast.objective.completions import Completion
from holdfast.objective.token_probability import TokenProbability, completion_of_exchange
from holdfast.score.integrated_gradients import completeness_error
from holdfast.score.neuron_attribution import moving_columns
from holdfast.score.neuron_methods import NEURON_SCORES, Attributed, Settings
from tests.score.planted import planted


def captums(loaded, layer: int, completion: Completion) -> tuple[torch.Tensor, torch.Tensor]:
    """Captum's attributions of the first token's probability to the layer's neurons, and the neurons themselves."""
    attr = pytest.importorskip("captum.attr", reason="captum is not installed, whose values ours are compared with")
    place = completion.positions[0]
    token_ids = torch.tensor([completion.token_ids[:place]])
    matrix = loaded.model.model.layers[layer].mlp.down_proj
    seen = []

    def probability(neurons: torch.Tensor) -> torch.Tensor:
        def put(_, given):
            return (torch.cat([given[0][:, :-1], neurons[:, None]], dim=1),)

        handle = matrix.register_forward_pre_hook(put)
        try:
            logits = loaded.model(token_ids.expand(len(neurons), -1)).logits[:, -1]
        finally:
            handle.remove()
        return logits.softmax(-1)[:, completion.token_ids[place]]

    with matrix.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, -1])), torch.no_grad():
        loaded.model(token_ids)
    method = attr.IntegratedGradients(probability)
    return method.attribute(seen[0], torch.zeros_like(seen[0]), n_steps=20, method="gausslegendre")[0], seen[0][0]


@pytest.mark.parametrize("name", ["planted", "testbed:aligned"])
def test_attributions_equal_captums(name):
    loaded = planted()[0] if name == "planted" else load_model(name)
    exchange = load_exchanges("testbed:refusals")[0]
    whole = completion_of_exchange(loaded.tokenizer, exchange)
    first = Completion(whole.prompt, whole.token_ids[: whole.positions[0] + 1], whole.positions[:1])
    objective, sites = TokenProbability([first]), neuron_sites(loaded.model)[:2]
    method = NEURON_SCORES["integrated_gradients"]
    assert method.attribute is not None
    attributions = method.attribute(Attributed(loaded, sites, objective, 0, settings=Settings(steps=20)))
    for layer, site in enumerate(sites):
        theirs, _ = captums(loaded, layer, first)
        ours = attributions[site.name].values
        torch.testing.assert_close(ours, theirs.float(), atol=1e-4 * float(theirs.abs().max()), rtol=1e-4)
        assert float(ours.abs().max()) > 0
    error = completeness_error(list(attributions.values()))
    assert error is not None
    assert error < 0.05


def test_gradient_times_activation_is_one_step_at_the_end():
    """With one step of the right rule, integrated gradients are the activation times the gradient there."""
    loaded, objective = planted()
    sites = neuron_sites(loaded.model)
    example = Attributed(loaded, sites, objective, 0, settings=Settings(steps=1, rule="right"))
    one, product = (
        NEURON_SCORES[name].attribute(example)  # pyright: ignore
        for name in ("integrated_gradients", "gradient_times_activation")
    )
    for site in sites:
        torch.testing.assert_close(product[site.name].values, one[site.name].values, atol=1e-5, rtol=1e-4)


def test_neurons_move_where_the_response_is_predicted():
    completion = Completion("how ?", [1, 2, 3, 4, 5, 6], [3, 4])
    assert moving_columns(completion, only_prompt=False).tolist() == [2, 3]
    assert moving_columns(completion, only_prompt=True).tolist() == [2]
