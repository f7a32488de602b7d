"""A hold under LoRA from a user's trainer to what is saved and served: exact by our functions, lost by plain PEFT."""

import logging
import warnings

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

import holdfast
from holdfast.artifacts import load_mask
from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.hold.held_adapter import HeldAdapter, write_beside
from holdfast.intervene.hold.lora import (
    MASK_FILE,
    base_parameters,
    held_by,
    load_protected,
    merge_protected,
    protect_lora,
)
from holdfast.models.load import fingerprint, fingerprint_of
from tests.intervene.given import bits, random_mask, users_trainer
from tests.tiny import make_llama

SAVING = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}


def adapted(model=None, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        return get_peft_model(model or make_llama(), LoraConfig(**{"r": 3, "target_modules": "all-linear", **settings}))


def changed(model, mask, start):
    """How many held entries of a merged model are not the base's."""
    return sum(
        int((model.get_parameter(name).detach().view(-1)[index] != start[name].view(-1)[index]).sum())
        for name, index in mask.indices.items()
    )


def train(folder, model=None, callback=None, **settings):
    """Trains adapters under the callback; the trainer, what was held, and where it began."""
    base = make_llama()
    mask, start = random_mask(base), bits(base)
    trainer = users_trainer(
        model or adapted(base), folder, [callback or ProtectCallback(mask)], learning_rate=1e-2, **settings
    )
    trainer.train()
    return trainer, mask, start


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trainer that has trained and saved, its folder, what was held, and where it began; for tests that only read."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    trainer, mask, start = train(folder / "run", **SAVING)
    trainer.save_model(folder / "saved")
    return trainer, folder, mask, start


@pytest.mark.parametrize("saved", ["saved", "run/checkpoint-2", "run/checkpoint-4"])
def test_every_save_of_a_trainer_is_exact_by_our_functions_and_lost_by_plain_peft(saved, trained, tmp_path):
    _, folder, mask, start = trained
    folder = folder / saved
    assert load_mask(folder / MASK_FILE).equals(mask)
    ours = merge_protected(load_protected(make_llama(), str(folder)))
    plain = PeftModel.from_pretrained(make_llama(), str(folder)).merge_and_unload()
    assert changed(ours, mask, start) == 0
    assert changed(plain, mask, start) > 0.99 * len(mask), "the loss that is warned of"
    ours.save_pretrained(tmp_path / "merged")
    assert changed(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"), mask, start) == 0
    free = sum(int((ours.get_parameter(name) != start[name]).sum()) for name in mask.indices)
    assert free > 10 * len(mask), "all others learned"


def test_what_was_loaded_answers_as_what_was_trained(trained):
    trainer, folder, _, _ = trained
    tokens = torch.arange(12)[None]
    expected = trainer.model.eval()(tokens).logits
    assert torch.equal(load_protected(make_llama(), folder / "saved")(tokens).logits, expected)
    plain = PeftModel.from_pretrained(make_llama(), str(folder / "saved"))
    assert not torch.allclose(plain(tokens).logits, expected, atol=1e-4), "plain PEFT loses the hold"


def test_adapters_are_held_after_training_too(tmp_path):
    trainer, mask, start = train(tmp_path, max_steps=1)
    assert held_by(trainer.model).mask is mask
    assert changed(merge_protected(trainer.model), mask, start) == 0


def test_the_callback_lets_go_of_them_when_it_is_told(tmp_path):
    callback = ProtectCallback(random_mask(make_llama()))
    trainer, mask, start = train(tmp_path, callback=callback, max_steps=1)
    callback.release()
    assert held_by(trainer.model) is None
    assert not any("held" in vars(module) for module in trainer.model.modules())
    assert changed(trainer.model.merge_and_unload(), mask, start) > 0.99 * len(mask)


def test_that_plain_peft_loses_the_hold_is_warned_of_once_and_written_beside_the_adapter(tmp_path, caplog):
    model = adapted()
    with caplog.at_level(logging.INFO, "holdfast"), protect_lora(model, random_mask(make_llama())) as hold:
        for folder in ("first", "second", "first"):
            model.save_pretrained(str(tmp_path / folder))
    levels = [record.levelname for record in caplog.records if "alone does not hold" in record.message]
    assert levels == ["WARNING", "INFO", "INFO"]
    assert "first' and of every save of this model" in caplog.records[0].message
    for folder in ("first", "second"):
        card = (tmp_path / folder / "README.md").read_text()
        assert card.count("## Held weights") == 1
        assert f"{len(hold.mask):,} weights" in card
        assert "holdfast.load_protected" in card
    assert card.startswith("---"), "PEFT's card stays"
    metadata, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: peft" in metadata
    assert text.lstrip().startswith("## Held weights"), "before all that PEFT writes"
    assert "# Model Card" in text


def test_a_process_that_does_not_save_writes_nothing(tmp_path):
    model = adapted()
    with protect_lora(model, random_mask(make_llama())):
        model.save_pretrained(str(tmp_path / "none"), is_main_process=False)
    assert not any((tmp_path / "none").iterdir())


def test_the_mask_lies_beside_adapters_of_other_names_and_beside_no_foreign_one(tmp_path):
    mask, model = random_mask(make_llama()), adapted()
    model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj"]))
    adapted().save_pretrained(str(tmp_path / "foreign"))
    with protect_lora(model, mask):
        model.save_pretrained(str(tmp_path))
    found = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(MASK_FILE)}
    assert found == {".", "second"}


def test_a_folder_without_a_card_gets_one(tmp_path):
    write_beside(tmp_path, ["default"], random_mask(make_llama()))
    assert (tmp_path / "README.md").read_text().startswith("## Held weights")
    assert not (tmp_path / MASK_FILE).exists(), "there is no adapter"


def test_a_released_model_is_pefts_own_again_and_saves_no_mask(tmp_path):
    model = adapted()
    kind = type(model)
    with protect_lora(model, random_mask(make_llama())):
        assert isinstance(model, HeldAdapter)
        assert isinstance(model, kind)
    assert type(model) is kind
    assert "hold" not in vars(model)
    model.save_pretrained(str(tmp_path))
    assert not (tmp_path / MASK_FILE).exists()


def test_a_run_resumed_from_a_checkpoint_has_the_bits_of_an_uninterrupted_one(trained, tmp_path):
    trainer, folder, mask, _ = trained
    resumed = users_trainer(adapted(), tmp_path / "run", [ProtectCallback(mask)], **SAVING, learning_rate=1e-2)
    resumed.train(resume_from_checkpoint=str(folder / "run" / "checkpoint-2"))
    ours, theirs = bits(resumed.model), bits(trainer.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert load_mask(tmp_path / "run" / "checkpoint-4" / MASK_FILE).equals(mask)


def test_training_goes_on_with_a_loaded_adapter_that_is_held_already(trained, tmp_path):
    _, folder, mask, start = trained
    model = load_protected(make_llama(), folder / "saved", is_trainable=True)
    before = bits(model)
    train(tmp_path, model, max_steps=1)
    assert any(not torch.equal(weight, before[name]) for name, weight in bits(model).items() if "lora_B" in name)
    with pytest.raises(ValueError, match="are held already; release the other hold first"):
        train(tmp_path, model, ProtectCallback(random_mask(make_llama(), seed=1)), max_steps=1)
    assert changed(merge_protected(model), mask, start) == 0


def test_a_refresh_of_adapters_is_refused(tmp_path):
    mask = random_mask(make_llama())
    trainer = users_trainer(adapted(), tmp_path, [ProtectCallback(mask, refresh=lambda model: mask, every=1)])
    with pytest.raises(ValueError, match="a refresh can't hold adapters"):
        trainer.train()


def test_without_a_mask_only_a_held_model_is_merged():
    with pytest.raises(ValueError, match="nothing says which entries to keep; give the mask"):
        merge_protected(adapted())


def test_a_hold_is_merged_also_after_pefts_own_merge_has_moved_the_base():
    base = make_llama()
    mask, start, model = random_mask(base), bits(base), adapted(base)
    with protect_lora(model, mask):
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
        model.merge_adapter()
        merged = merge_protected(model, mask & mask)
    assert changed(merged, mask, start) == 0


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"target_modules": ["q_proj"], "modules_to_save": ["up_proj"]},
        {"target_modules": ["embed_tokens", "q_proj"]},
    ],
    ids=["all linear", "modules to save", "embeddings"],
)
def test_under_adapters_the_base_has_its_own_names_and_fingerprint(settings):
    base = make_llama()
    names, whole = list(dict(base.named_parameters())), fingerprint(base)
    found = base_parameters(adapted(base, **settings))
    assert list(found) == names
    assert fingerprint_of(found) == whole


def test_what_a_training_script_needs_is_in_the_package_itself():
    assert holdfast.protect_lora is protect_lora
    assert holdfast.load_protected is load_protected
    assert holdfast.merge_protected is merge_protected
