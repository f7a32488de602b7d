"""score(i) = |w_i - mean of w| / std of w,   w = weights of a linear probe of one layer   (standard deviations)

The probe is a logistic regression that tells the prompts from other prompts by the layer's neurons at the last token of
the prompt. Activations are centred, and divided by one number a layer, so that neurons have a mean variance of 1. So a
neuron that moves more gets more weight, and layers are comparable. The penalty is |w|^2 / 2, as scikit-learn's with
C = 1. NeST (arXiv 2602.16835) selects safety neurons by such a cut. A large value means that the probe leans on this
neuron more than on others of its layer.

Deviation: the fit is a Newton iteration on the products of the examples, since there are fewer examples than neurons.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.score.neuron_methods import NEURON_SCORES, NeuronMethod

ITERATIONS = 50
TOLERANCE = 1e-10


def probe(first: Float[Tensor, "prompt *neuron"], other: Float[Tensor, "other *neuron"]) -> Float[Tensor, "*neuron"]:
    """Returns how far each neuron's weight is from the mean of its layer, in standard deviations."""
    activations = torch.cat([first, other]).flatten(1).double()
    centred = activations - activations.mean(0)
    scale = centred.square().mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    weights = probe_weights(centred / scale, torch.tensor([1.0] * len(first) + [0.0] * len(other), dtype=torch.float64))
    distance = (weights - weights.mean()).abs()
    return torch.nan_to_num(distance / weights.std(), nan=0.0).float().view(first.shape[1:])


def probe_weights(
    features: Float[Tensor, "example neuron"], labels: Float[Tensor, " example"]
) -> Float[Tensor, " neuron"]:
    """Fits w and an intercept b: the minimum of the logistic losses' sum + |w|^2 / 2."""
    products = features @ features.T
    count = len(labels)
    dual, intercept = torch.zeros(count, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for _ in range(ITERATIONS):  # Newton: w = features^T dual, and dual = labels - p at the minimum
        probability = (products @ dual + intercept).sigmoid()
        slope = (probability * (1 - probability)).clamp(min=1e-9)
        system = torch.zeros(count + 1, count + 1, dtype=torch.float64)
        system[:count, :count] = products * slope[:, None] + torch.eye(count, dtype=torch.float64)
        system[:count, count], system[count, :count] = slope, (slope[:, None] * products).sum(0)
        system[count, count] = slope.sum()
        wrong = torch.cat([labels - probability - dual, (labels - probability).sum()[None]])
        step = torch.linalg.solve(system, wrong)
        dual, intercept = dual + step[:count], intercept + step[count]
        if float(step.abs().max()) < TOLERANCE:
            break
    return features.T @ dual


NEURON_SCORES.register("probe")(NeuronMethod(compare=probe, unit="standard deviations of the layer's probe weights"))
