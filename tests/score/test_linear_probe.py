"""The probe's weights are those of a logistic regression, as scipy minimises it."""

import numpy as np
import torch
from scipy.optimize import minimize

from holdfast.score.linear_probe import probe, probe_weights


def test_weights_equal_those_that_scipy_finds():
    features = torch.randn(20, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([1.0] * 12 + [0.0] * 8, dtype=torch.float64)

    def loss(parameters: np.ndarray) -> float:
        logits = features.numpy() @ parameters[:-1] + parameters[-1]
        signs = 2 * labels.numpy() - 1
        return float(np.logaddexp(0, -signs * logits).sum() + (parameters[:-1] ** 2).sum() / 2)

    theirs = minimize(loss, np.zeros(31), method="BFGS", options={"gtol": 1e-8}).x[:-1]
    np.testing.assert_allclose(probe_weights(features, labels).numpy(), theirs, atol=1e-5)


def test_the_neuron_that_tells_the_sets_apart_stands_out():
    generator = torch.Generator().manual_seed(1)
    first, other = (torch.randn(15, 2, 10, generator=generator) for _ in range(2))
    first[:, 1, 3] += 5
    first[:, 0, 0] = other[:, 0, 0] = 2.0  # never changes
    scores = probe(first, other)
    assert scores.shape == (2, 10)
    assert int(scores.argmax()) == 13
    assert torch.isfinite(scores).all()
