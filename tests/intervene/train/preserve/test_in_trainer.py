import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback
from trl import SFTConfig, SFTTrainer

from holdfast import MethodOptions, ProtectCallback, own_answers, preserve
from holdfast.models.load import load_model
from holdfast.prompts.sources import load_prompts
from holdfast.testbed.world import is_refusal
from tests.intervene.given import HARMLESS, REFUSALS, bits, equal_bits, random_mask, users_trainer
from tests.tiny import make_llama, make_tokenizer

EVERY = ["mixed", "replay", "kl", "der", "constrained", "safegrad", "ema", "layers", "replay+gapo"]


def sft_trainer(model, folder, callbacks=(), **settings):
    """A script's own SFTTrainer on prompts with completions, two micro-batches a step."""
    rows = [
        {
            "prompt": [{"role": "user", "content": each.prompt}],
            "completion": [{"role": "assistant", "content": each.response}],
        }
        for each in HARMLESS
    ]
    usual = {
        "max_steps": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 1e-2,
        "save_strategy": "no", "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "seed": 1,
    }  # fmt: skip
    trainer = SFTTrainer(
        model,
        args=SFTConfig(str(folder), **{**usual, **settings}),
        train_dataset=Dataset.from_list(rows),
        processing_class=make_tokenizer(),
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def data_of(method):
    return REFUSALS if method.split("+")[0] in ("mixed", "replay", "kl", "der", "safegrad") else ()


@pytest.mark.parametrize("method", EVERY)
def test_a_users_sft_trainer_trains_by_every_method_and_holds_a_mask_beside_it(method, tmp_path):
    model, plain = make_llama(), make_llama()
    mask, start = random_mask(model), bits(model)
    trainer = sft_trainer(model, tmp_path, [ProtectCallback(mask, quiet=True)])
    preserve(trainer, method, safety=data_of(method))
    trainer.train()
    held = {name: bits(model)[name].view(-1)[index] for name, index in mask.indices.items()}
    assert equal_bits(held, {name: start[name].view(-1)[index] for name, index in mask.indices.items()})
    sft_trainer(plain, tmp_path, [ProtectCallback(mask, quiet=True)]).train()
    assert not equal_bits(bits(plain), bits(model)), "the method changes the training"
    assert not equal_bits(start, bits(model))


def test_constrained_with_beta_zero_is_the_trainers_own_loss(tmp_path):
    model, plain = make_llama(), make_llama()
    trainers = [sft_trainer(each, tmp_path, logging_steps=1) for each in (model, plain)]
    preserve(trainers[0], "constrained", options=MethodOptions(constraint=(0, 0, 0)))
    losses = []
    for trainer in trainers:
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert len(losses[0]) == 3


def test_the_share_of_mixed_safety_data_is_the_weight_of_its_loss(tmp_path):
    """share / (1 - share): 0.25 for a fifth, 1 for a half, and as many exchanges are read for both."""
    first = {}
    for share in (None, 0.2, 0.5):
        trainer = sft_trainer(make_llama(), tmp_path, logging_steps=1, max_steps=1)
        if share:
            preserve(trainer, "mixed", safety=REFUSALS, options=MethodOptions(safety_share=share))
        trainer.train()
        first[share] = trainer.state.log_history[0]["loss"]
    assert first[0.5] - first[None] > 1
    assert first[0.2] - first[None] == pytest.approx((first[0.5] - first[None]) / 4, rel=1e-3)


def test_a_plain_trainer_and_adapters_take_a_method_too(tmp_path):
    model = get_peft_model(make_llama(), LoraConfig(r=2, target_modules=["q_proj"]))
    trainer = users_trainer(model, tmp_path, max_steps=2)
    preserve(trainer, "ema", options=MethodOptions(ema_decay=0.5))
    trainer.train()
    assert any(weight.any() for name, weight in model.named_parameters() if "lora_B" in name)


def test_own_answers_are_made_by_the_trainers_model():
    loaded = load_model("testbed:aligned")
    prompts = load_prompts("testbed:harmful_calibration#first=2")
    answers = own_answers(loaded, prompts, max_new_tokens=16)
    assert [answer.prompt for answer in answers] == [prompt.prompt for prompt in prompts]
    assert all(is_refusal(answer.response) for answer in answers)


@pytest.mark.parametrize(
    ("method", "given", "sentence"),
    [
        ("spa", {}, r"method spa holds weights, which a callback does in a trainer: give it ProtectCallback\(mask\)"),
        ("kl", {}, "method kl needs harmful prompts"),
        ("gapo", {}, "there is one loss, and gradients of several are to be combined"),
        ("ema", {"options": MethodOptions(safety_share=0.2)}, "safety_share is an option of method mixed or replay"),
        ("kl", {"safety": REFUSALS, "options": MethodOptions(safety_batch=3)}, "3 exchanges beside a step's batch"),
        ("kl", {"safety": REFUSALS, "held_out": REFUSALS[:1]}, "1 safety prompts are also prompts that evaluate"),
    ],
)
def test_what_does_not_fit_is_refused(method, given, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        preserve(sft_trainer(make_llama(), tmp_path), method, **given)


def test_a_second_method_and_no_trainer_are_refused(tmp_path):
    trainer = sft_trainer(make_llama(), tmp_path)
    preserve(trainer, "constrained")
    with pytest.raises(ValueError, match=r"has a method already; join several by \+"):
        preserve(trainer, "ema")
    with pytest.raises(ValueError, match="Trainer was expected, got"):
        preserve(torch.nn.Linear(1, 1), "ema")


def test_the_added_losses_are_logged_apart_from_the_sum(tmp_path):
    """Two steps without learning: the rest of the sum is the loss of the trainer alone."""
    settings = {"logging_steps": 2, "max_steps": 2, "learning_rate": 0.0}
    plain, trainer = (sft_trainer(make_llama(), tmp_path, **settings) for _ in range(2))
    preserve(trainer, "mixed", safety=REFUSALS, options=MethodOptions(safety_share=0.5))
    plain.train()
    trainer.train()
    entry, own = trainer.state.log_history[0], plain.state.log_history[0]
    assert "safety_loss" not in own
    assert entry["safety_loss"] > 0
    assert entry["loss"] - entry["safety_loss"] == pytest.approx(own["loss"], abs=1e-4)


def test_a_line_at_the_end_says_what_trained_and_prompts_that_evaluate_may_be_a_file(tmp_path, capsys):
    trainer = sft_trainer(make_llama(), tmp_path)
    preserve(trainer, "mixed", safety=REFUSALS, options=MethodOptions(safety_share=0.25))
    trainer.train()
    line = f"trained by mixed, with {len(REFUSALS)} safety exchanges at a safety share of 0.25, in 3 steps"
    assert line in capsys.readouterr().out
    (tmp_path / "test.txt").write_text(REFUSALS[0].prompt + "\n")
    with pytest.raises(ValueError, match="1 safety prompts are also prompts that evaluate the model"):
        preserve(sft_trainer(make_llama(), tmp_path), "mixed", safety=REFUSALS, held_out=tmp_path / "test.txt")
