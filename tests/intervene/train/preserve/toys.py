"""What the tests of the methods start from: a tiny model before training, and one that has moved away from it."""

from copy import deepcopy

import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.examples import training_row
from holdfast.intervene.train.parts import Start
from tests.intervene.given import HARMLESS, REFUSALS, load_tiny, random_mask

OPTIONS = AdaptOptions(iterations=4, batch_size=4, learning_rate=1e-2)


def start_of(loaded, micro_batches=1, exchanges=HARMLESS, **options):
    """The start of a training on these exchanges, with refusals beside them."""
    rows = [training_row(loaded.tokenizer, exchange, 64) for exchange in exchanges]
    return Start(
        loaded.model, loaded.tokenizer, MethodOptions(**options), REFUSALS, lambda: rows, micro_batches, max_length=64
    )


def moved_from(model):
    """A copy of a model with noise on its weights."""
    other = deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in other.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return other


def tuned(method, held=False, safety=(), method_options=None, make_optimizer=None, **changes):
    """A tiny model after a training by a method, and its result."""
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model) if held else None
    result = adapt(
        loaded,
        mask,
        HARMLESS,
        OPTIONS.model_copy(update=changes),
        method=method,
        make_optimizer=make_optimizer,
        method_options=MethodOptions(**(method_options or {})),
        safety=safety,
    )
    return loaded, result


def logits_of(model, row):
    """The logits that predict the response of one row, by a forward pass of its own, without padding."""
    begin = row["labels"].count(-100)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0]
    return logits[begin - 1 : -1], row["input_ids"][begin:]
