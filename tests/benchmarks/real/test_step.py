"""The benchmark of whole steps, on the built-in model."""

import json

import torch

from benchmarks.real import step
from holdfast.models.load import load_model


def test_every_arm_takes_its_steps_and_the_figures_say_what_each_costs(capsys):
    assert step.main(["testbed:aligned", "--steps", "1", "--batch", "1"]) in (0, 1)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert figures["tokens"] == step.TOKENS
    for arm in ("plain", "SET", "SPA", "LoRA"):
        assert 0 < figures[arm]["optimizer_s"] < figures[arm]["step_s"]
    assert figures["plain"]["step_ratio"] == figures["plain"]["optimizer_ratio"] == 1


def test_hooks_count_for_the_optimizer_and_are_as_before_afterwards():
    model = load_model("testbed:aligned", device="cpu").model
    weight, clock, called = model.get_input_embeddings().weight, step.Clock(), []
    weight.register_post_accumulate_grad_hook(called.append)
    before = dict(weight._post_accumulate_grad_hooks)
    with step.hooks_timed(model, clock):
        model(input_ids=torch.tensor([[5, 6]]), use_cache=False).logits.sum().backward()
    assert len(called) == 1
    assert clock.wall > 0
    assert weight._post_accumulate_grad_hooks == before
