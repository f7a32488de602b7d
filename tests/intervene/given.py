"""What the tests here start from: masks, loaded models, exchanges and a training loop."""

from copy import deepcopy

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from holdfast.models.load import LoadedModel, fingerprint
from holdfast.models.sites import scored_sites
from holdfast.records import Exchange
from holdfast.values import Mask
from tests.tiny import make_llama, make_tokenizer

REFUSALS = [
    Exchange(f"how do i harm the old clock {word} ?", "sorry , i can not help with that .") for word in "abcdef"
]
HARMLESS = [Exchange(f"how do i mend the old clock {word} ?", f"mend it with {word} .") for word in "abcdef"]


def random_mask(model, density=0.05, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {site.name: site.shape for site in scored_sites(model)}
    indices = {}
    for name, weight in model.named_parameters():
        if name in shapes:
            chosen = torch.rand(weight.numel(), generator=generator) < density
            indices[name] = chosen.nonzero().flatten()
    return Mask(indices, shapes, fingerprint(model), model.num_parameters())


def load_tiny(dtype=torch.float16, model=None):
    model = (model or make_llama()).to(dtype).float()  # as load_model gives half precision on a CPU
    return LoadedModel(model, make_tokenizer(), "tiny", fingerprint(model), dtype)


def bits(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def equal_bits(left, right):
    return all(torch.equal(left[name].view(torch.uint8), right[name].view(torch.uint8)) for name in left)


def as_booleans(mask, name, shape):
    chosen = torch.zeros(shape, dtype=torch.bool)
    if name in mask.indices:
        chosen.view(-1)[mask[name]] = True
    return chosen


def loss_of(model, step, batch=2):
    generator = torch.Generator().manual_seed(step)
    token_ids = torch.randint(0, 300, (batch, 12), generator=generator)
    return model(input_ids=token_ids, labels=token_ids).loss


def twin(model):
    return deepcopy(model)


def users_trainer(model, folder, callbacks=(), optimizers=(None, None), **settings):
    """The script of somebody who has a trainer already: decay, clipping and accumulation on, quiet."""
    rows = [
        {"input_ids": list(range(start, start + 12)), "labels": list(range(start, start + 12))} for start in range(32)
    ]
    usual = {
        "max_steps": 6, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 1e-2,
        "weight_decay": 0.1, "max_grad_norm": 0.5, "save_strategy": "no", "logging_steps": 1, "report_to": "none",
        "use_cpu": True, "disable_tqdm": True,
    }  # fmt: skip
    trainer = Trainer(
        model,
        TrainingArguments(str(folder), **{**usual, **settings}),
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=list(callbacks),
        optimizers=optimizers,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
