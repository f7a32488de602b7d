import pytest
import torch

from holdfast import MethodOptions, combined_loss
from holdfast.intervene.train.combine.gapo import gapo
from holdfast.intervene.train.combine.weights import unit_sum


def two_losses():
    """Losses of a two-layer net, whose last layer's gradients differ in length and oppose each other."""
    torch.manual_seed(0)
    body, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
    output = head(body(torch.randn(5, 3)).tanh())
    return body, head, [9 * output[:, 0].square().mean(), (output[:, 0] - 2).square().mean() + output[:, 1].mean()]


def flat(loss, parameters):
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, parameters, retain_graph=True)]).double()


def test_losses_are_weighted_by_the_gradients_of_the_last_layer():
    body, head, losses = two_losses()
    gradients = torch.stack([flat(loss, list(head.parameters())) for loss in losses])
    weights = unit_sum(gapo(gradients @ gradients.T, 1.0))
    expected = sum(weight * flat(loss, [body.weight]) for weight, loss in zip(weights, losses, strict=True))
    combined_loss(losses, head.parameters(), "gapo").backward()
    assert torch.allclose(body.weight.grad.flatten().double(), expected, atol=1e-5)


def test_preferences_choose_between_the_losses():
    _, head, losses = two_losses()
    loss = combined_loss(losses, head.parameters(), "p_gapo", options=MethodOptions(preferences=(1.0, 0.0)))
    assert loss.item() == pytest.approx(losses[0].item())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "kl"}, "method kl combines no losses that are given; choose one of mgda, gapo, p_gapo"),
        ({"method": "safegrad"}, "method safegrad combines no losses that are given"),
        ({"losses": 1}, "several losses to combine, and 1 were given"),
        ({"options": MethodOptions(ema_decay=0.5)}, "ema_decay is an option of method ema"),
        ({"parameters": [torch.nn.Parameter(torch.ones(2))]}, "loss 0 depends on none of the given parameters"),
    ],
)
def test_what_can_not_be_combined_is_refused(change, sentence):
    _, head, losses = two_losses()
    parameters, count = change.pop("parameters", list(head.parameters())), change.pop("losses", 2)
    with pytest.raises(ValueError, match=sentence):
        combined_loss(losses[:count], parameters, **change)
