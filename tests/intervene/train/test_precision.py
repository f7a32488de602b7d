"""What is left of a training in the checkpoint's dtype, counted and told; and the model's own dtypes come back."""

from functools import partial

import pytest
import torch

from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.enhance import enhance
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.loss import keeps_the_learned, mean_loss, warn_of_little, warn_of_worse
from holdfast.intervene.train.precision import Kept, trained_in_float32, warn_of_no_change
from holdfast.models.load import LoadedModel, fingerprint
from tests.intervene.given import HARMLESS, REFUSALS, bits, load_tiny, random_mask
from tests.tiny import make_llama, make_tokenizer

SMALL = {"iterations": 3, "batch_size": 4, "learning_rate": 1e-6, "scheduler": "constant_with_warmup"}
LORA = LoraOptions(rank=2)


def differing(start, model):
    return sum(int((weight != start[name]).sum()) for name, weight in bits(model).items())


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "lora"])
def test_small_steps_that_rounding_undoes_are_counted_and_told(lora, caplog):
    loaded = load_tiny(torch.bfloat16)
    start = bits(loaded.model)
    result = adapt(loaded, None, HARMLESS, AdaptOptions(**SMALL, lora=lora))
    assert result.entries_changed == differing(start, loaded.model)
    assert result.entries_changed < 0.1 * loaded.model.num_parameters()
    assert "rounding to bfloat16 undid the training of" in caplog.text
    assert "the loss of the saved checkpoint differs from the loss reported in training" in caplog.text
    assert "raise the learning rate (1e-06), or start from a float32 checkpoint" in caplog.text


@pytest.mark.parametrize(("dtype", "rate"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_where_most_is_left_nothing_is_told(dtype, rate, caplog):
    loaded = load_tiny(dtype)
    start = bits(loaded.model)
    result = adapt(loaded, random_mask(loaded.model), HARMLESS, AdaptOptions(**{**SMALL, "learning_rate": rate}))
    assert result.entries_changed == differing(start, loaded.model) > 0.5 * loaded.model.num_parameters()
    assert "rounding" not in caplog.text


@pytest.mark.parametrize("masked", [False, True])
def test_set_counts_what_is_left_of_its_entries_too(masked, caplog):
    loaded = load_tiny(torch.bfloat16)
    start, mask = bits(loaded.model), random_mask(loaded.model) if masked else None
    result = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=EnhanceOptions(**SMALL))
    assert result.entries_changed == differing(start, loaded.model) < 0.1 * result.entries_trained
    assert "rounding to bfloat16 undid the training of" in caplog.text


def test_the_loss_is_that_of_the_model_as_it_is_saved():
    loaded = load_tiny(torch.bfloat16)
    untouched = mean_loss(loaded, HARMLESS[:4], AdaptOptions())
    lost = adapt(loaded, None, HARMLESS, AdaptOptions(**{**SMALL, "learning_rate": 1e-9}))
    assert lost.entries_changed < 0.01 * loaded.model.num_parameters()
    assert lost.saved_loss == mean_loss(loaded, [HARMLESS[place] for place in last_batch(SMALL)], AdaptOptions())
    trained = adapt(load_tiny(torch.bfloat16), None, HARMLESS, AdaptOptions(**{**SMALL, "learning_rate": 3e-2}))
    assert trained.saved_loss < 0.9 * untouched


@pytest.mark.parametrize(("rate", "worse"), [(1e-2, False), (5.0, True)])
@pytest.mark.parametrize("method", ["enhance", "adapt"])
def test_a_saved_model_that_is_worse_than_the_start_is_warned_of(method, rate, worse, caplog):
    loaded, given = load_tiny(torch.float32), {"iterations": 20, "batch_size": 4}
    tune, options = {
        "enhance": (partial(enhance, refusals=REFUSALS, harmless=HARMLESS), EnhanceOptions(**given)),
        "adapt": (partial(adapt, exchanges=HARMLESS), AdaptOptions(**given)),
    }[method]
    options = options.model_copy(update={"learning_rate": rate})  # 5 is refused, and breaks a model of this size
    untouched = load_tiny(torch.float32)
    result = tune(loaded, mask=None, options=options)
    assert (result.saved_loss > result.start_loss) is worse
    if method == "adapt":
        places = shuffled_positions(len(HARMLESS), 80, 0)[-4:]
        assert result.start_loss == mean_loss(untouched, [HARMLESS[place] for place in places], options)
    said = f"was {result.start_loss:.3g} before training and is {result.saved_loss:.3g} in the saved checkpoint; lower"
    assert (said in caplog.text) is worse


def test_a_loss_within_what_batches_vary_by_is_not_warned_of(caplog):
    warn_of_worse(2.0, 2.05, AdaptOptions())
    warn_of_worse(None, None, EnhanceOptions())
    assert not caplog.records


def last_batch(options):
    return shuffled_positions(len(HARMLESS), options["iterations"] * options["batch_size"], 0)[-options["batch_size"] :]


def test_the_loss_weighs_every_response_token_alike_as_training_does():
    loaded = load_tiny(torch.float32)
    options = AdaptOptions(**{**SMALL, "iterations": 1, "learning_rate": 1e-9, "batch_size": 6})
    trained = adapt(loaded, None, HARMLESS, options)
    # Sums of 340 float32 products in another order, padded and not, differ by a few of 2^-24 each.
    assert trained.saved_loss == pytest.approx(trained.losses[0], rel=1e-5)


def test_training_gives_each_parameter_the_values_of_its_own_dtype_and_tables_of_positions_back():
    model = make_llama().to(torch.bfloat16)  # as a GPU holds it, but for the tables
    model.model.rotary_emb.inv_freq = (model.model.rotary_emb.inv_freq.float() + 2**-12).clone()
    table, norm = model.model.rotary_emb.inv_freq.clone(), "model.norm.weight"
    loaded = LoadedModel(model, make_tokenizer(), "tiny", fingerprint(model), torch.bfloat16, {norm: torch.float32})
    with trained_in_float32(loaded), torch.no_grad():
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        for weight in model.parameters():
            weight += 2**-12
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert torch.equal(model.model.rotary_emb.inv_freq, table)
    wide = LoadedModel(make_llama(), make_tokenizer(), "tiny", "", torch.bfloat16, {norm: torch.float32})
    with trained_in_float32(wide), torch.no_grad():
        for weight in wide.model.parameters():
            weight += 2**-12
    assert float(wide.model.model.norm.weight.detach()[0]) == 1 + 2**-12
    assert all(
        torch.equal(weight, weight.bfloat16().float()) for name, weight in bits(wide.model).items() if name != norm
    )


@pytest.mark.parametrize(("changed", "told"), [(49, True), (50, False)])
def test_half_of_what_moved_is_the_least_that_goes_without_a_word(changed, told, caplog):
    warn_of_no_change(Kept(moved=100, changed=changed), load_tiny(), AdaptOptions())
    assert ("undid the training of 51 of 100 entries" in caplog.text) is told


def test_rounding_that_keeps_the_fall_of_the_loss_goes_without_a_word(caplog):
    assert not warn_of_no_change(Kept(moved=100, changed=30), load_tiny(), AdaptOptions(), keeps_the_learned=True)
    assert not caplog.records


@pytest.mark.parametrize(
    ("start", "trained", "saved", "keeps"),
    [
        (5.0, 0.1, 0.2, True),
        (5.0, 0.1, 2.5, True),
        (5.0, 0.1, 2.6, False),
        (5.0, 4.9, 4.9, False),
        (None, 0.1, None, False),
    ],
)
def test_a_checkpoint_keeps_what_was_learned_where_half_of_the_fall_is_left(start, trained, saved, keeps):
    assert keeps_the_learned(start, trained, saved) is keeps


@pytest.mark.parametrize(("saved", "told"), [(1.96, True), (2.05, True), (1.8, False), (2.2, False)])
def test_a_task_that_was_hardly_learned_is_told_with_what_to_try(saved, told, caplog):
    warn_of_little(2.0, saved, AdaptOptions(iterations=20))
    assert ("so the task was hardly learned" in caplog.text) is told
    assert ("raise learning_rate=3e-05 threefold, or train for more than iterations=20" in caplog.text) is told


def test_adapt_tells_of_a_task_that_was_hardly_learned(caplog):
    adapt(load_tiny(torch.float32), None, HARMLESS, AdaptOptions(**{**SMALL, "learning_rate": 1e-6}))
    assert "so the task was hardly learned" in caplog.text


def test_the_warning_of_rounding_names_few_steps_as_a_cause(caplog):
    warn_of_no_change(Kept(moved=105_140_249, changed=5), load_tiny(), AdaptOptions(iterations=8))
    assert "undid the training of 105,140,244 of 105,140,249 entries" in caplog.text
    assert "usual after few steps (8 were made)" in caplog.text


def test_a_training_that_changed_nothing_is_told_with_the_reason(caplog):
    warn_of_no_change(Kept(moved=0, changed=0), load_tiny(), AdaptOptions(iterations=1))
    assert "no weight changed in 1 training steps" in caplog.text
    assert "warmup_share=0.03" in caplog.text
