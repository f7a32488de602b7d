from functools import partial

import pytest
import torch

from holdfast.errors import InvariantError
from holdfast.intervene.hold.protect import Protection
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.models.sites import list_sites
from tests.intervene.given import HARMLESS, as_booleans, bits, equal_bits, load_tiny, random_mask
from tests.tiny import make_moe

OPTIONS = AdaptOptions(iterations=6, batch_size=4, learning_rate=1e-2, weight_decay=0.1)


def held_and_free(model, start, mask):
    after = bits(model)
    held = torch.cat([(after[name] != start[name]).view(-1)[mask[name]] for name in mask.indices])
    free = torch.cat([(after[name] != start[name])[~as_booleans(mask, name, after[name].shape)] for name in after])
    return float(held.float().mean()), float(free.float().mean())


@pytest.mark.parametrize(
    "make_optimizer",
    [
        None,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1),
        lambda model: torch.optim.Adafactor(model.parameters(), lr=1e-2, weight_decay=0.1),
    ],
    ids=["adamw", "sgd", "adafactor"],
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_adapt_holds_every_protected_bit_and_trains_the_rest(dtype, make_optimizer):
    loaded = load_tiny(dtype)
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = adapt(loaded, mask, HARMLESS, OPTIONS, make_optimizer=make_optimizer)
    held, free = held_and_free(loaded.model, start, mask)
    assert held == 0.0
    assert free > 0.5
    assert result.protected_identical is True
    assert result.entries_protected == len(mask)


def test_plain_fine_tuning_moves_the_same_entries():
    loaded = load_tiny()
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = adapt(loaded, None, HARMLESS, OPTIONS)
    held, _ = held_and_free(loaded.model, start, mask)
    assert held > 0.5
    assert (result.protected_identical, result.entries_protected) == (None, 0)


def test_adapt_notices_when_values_are_not_written_back(monkeypatch):
    monkeypatch.setattr(Protection, "_write_back", lambda *_: None)
    loaded = load_tiny()
    with pytest.raises(InvariantError, match="held weights"):
        adapt(loaded, random_mask(loaded.model), HARMLESS, OPTIONS)


def test_adapt_learns_its_task_with_entries_held():
    loaded = load_tiny()
    options = OPTIONS.model_copy(update={"iterations": 20, "learning_rate": 3e-2})
    losses = adapt(loaded, random_mask(loaded.model), HARMLESS, options).losses
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("protected", [False, True])
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, protected):
    through, broken, resumed = (load_tiny() for _ in range(3))
    mask = random_mask(through.model) if protected else None
    options = OPTIONS.model_copy(update={"checkpoint_every": 2})
    run = partial(adapt, mask=mask, exchanges=HARMLESS, output_dir=tmp_path / "run")
    whole = adapt(through, mask, HARMLESS, OPTIONS)
    steps = []

    def stop(label, done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(broken, options=options, progress=stop)
    result = run(resumed, options=options, progress=lambda label, done, total: steps.append((label, done)))
    assert next(done for label, done in steps if label == "adapting") == 4, "resumed after step 4"
    assert result.losses == pytest.approx(whole.losses), "those of the first steps were kept"
    assert equal_bits(bits(through.model), bits(resumed.model))


def test_a_folder_of_another_run_is_refused(tmp_path):
    options = OPTIONS.model_copy(update={"checkpoint_every": 2, "iterations": 2})
    adapt(load_tiny(), None, HARMLESS, options, output_dir=tmp_path)
    other = options.model_copy(update={"learning_rate": 1e-3})
    with pytest.raises(ValueError, match="holds another fine-tuning run"):
        adapt(load_tiny(), None, HARMLESS, other, output_dir=tmp_path)


def test_checkpoints_without_a_folder_are_refused():
    with pytest.raises(ValueError, match="needs an output folder"):
        adapt(load_tiny(), None, HARMLESS, OPTIONS.model_copy(update={"checkpoint_every": 2}))


def test_no_exchanges_are_refused():
    with pytest.raises(ValueError, match="no exchanges"):
        adapt(load_tiny(), None, [], OPTIONS)


def test_frozen_roles_keep_every_bit_and_are_trainable_again_afterwards():
    loaded = load_tiny()
    start = bits(loaded.model)
    adapt(loaded, random_mask(loaded.model), HARMLESS, OPTIONS.model_copy(update={"freeze": ("embedding",)}))
    after = bits(loaded.model)
    moved = {name for name in after if not torch.equal(after[name], start[name])}
    roles = {site.name: site.role for site in list_sites(loaded.model)}
    assert {roles[name] for name in moved} == {"matrix", "norm"}
    assert all(weight.requires_grad for weight in loaded.model.parameters())


def test_a_role_that_freezes_nothing_is_refused():
    with pytest.raises(ValueError, match="has no router of its own to freeze; it has"):
        adapt(load_tiny(), None, HARMLESS, AdaptOptions(freeze=("router",)))


def test_a_head_that_is_tied_to_the_embedding_is_frozen_with_it_and_not_without():
    loaded = load_tiny()
    start = bits(loaded.model)
    adapt(loaded, None, HARMLESS, OPTIONS.model_copy(update={"freeze": ("embedding", "head")}))
    name = "model.embed_tokens.weight"
    assert torch.equal(bits(loaded.model)[name], start[name])
    with pytest.raises(ValueError, match="its head is the embedding, so freeze embedding"):
        adapt(load_tiny(), None, HARMLESS, AdaptOptions(freeze=("head",)))


@pytest.mark.parametrize("train_routers", [False, True])
def test_routers_are_left_alone_unless_asked_for_and_drift_is_measured(train_routers):
    loaded = load_tiny(model=make_moe())
    start = bits(loaded.model)
    result = adapt(loaded, None, HARMLESS, OPTIONS.model_copy(update={"train_routers": train_routers}))
    after, roles = bits(loaded.model), {site.name: site.role for site in list_sites(loaded.model)}
    moved = {roles[name] for name in after if not torch.equal(after[name], start[name])}
    assert ("router" in moved) == train_routers
    assert {"matrix", "embedding"} <= moved
    assert result.frozen == (() if train_routers else ("router",))
    assert 0 < result.routing_drift < 1  # also with routers left alone: what reaches them has changed


def test_a_dense_model_has_no_routing_to_drift():
    assert adapt(load_tiny(), None, HARMLESS, OPTIONS).routing_drift is None
