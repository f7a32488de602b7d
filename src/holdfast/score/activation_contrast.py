"""score(i) = |mean of a_i over the prompts - mean of a_i over other prompts|   (activation)

a_i is neuron i's activation at the last token of a prompt that waits for an answer. A large value means that the neuron
tells the two prompt sets apart. CNA (arXiv 2605.12290) finds refusal neurons with it, by forward passes alone. Only an
intervention shows whether safety depends on the neuron.
"""

from jaxtyping import Float
from torch import Tensor

from holdfast.score.neuron_methods import NEURON_SCORES, NeuronMethod


def contrast(first: Float[Tensor, "prompt *neuron"], other: Float[Tensor, "other *neuron"]) -> Float[Tensor, "*neuron"]:
    """Returns the absolute difference of the mean activations."""
    return (first.double().mean(0) - other.double().mean(0)).abs().float()


NEURON_SCORES.register("contrast")(NeuronMethod(compare=contrast, unit="activation"))
