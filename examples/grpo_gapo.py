"""Two rewards in TRL's GRPOTrainer, each with its own advantages. GAPO combines their gradients, and SPA holds a mask.

TRL adds the rewards up before it makes advantages of them, so a reward with larger differences decides alone. Here
every reward's advantages give a loss of their own. `holdfast.combined_loss` weighs the losses by their gradients on the
last layer, so that neither reward outweighs the other. It works in one process.

    holdfast score testbed:aligned --prompts testbed:refusals --objective refusal_likelihood --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/grpo_gapo.py --mask mask.safetensors
"""

import argparse

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from holdfast import ProtectCallback, combined_loss, load_prompts
from holdfast.testbed import model_path

parser = argparse.ArgumentParser()
parser.add_argument("--mask", required=True, help="file that `holdfast select` wrote")
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--out", default="tuned", help="folder for checkpoints and the tuned model")
options = parser.parse_args()

MODEL = model_path("aligned")  # in its place your own folder or hub id
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32")
for table in (model.get_input_embeddings(), model.get_output_embeddings()):
    table.requires_grad_(False)  # embeddings and head, which no mask covers

rows = [
    {"prompt": [{"role": "user", "content": task.prompt}], "answer": task.answer}
    for task in load_prompts("testbed:task_train")
]


def shared_words(completions: list[list[dict[str, str]]], answer: list[str], **_: object) -> list[float]:
    """Share of the right answer's words that a completion has, in [0, 1]."""
    wanted = [set(text.split()) for text in answer]
    said = [set(completion[0]["content"].split()) for completion in completions]
    return [len(words & found) / len(words) for words, found in zip(wanted, said, strict=True)]


def few_words(completions: list[list[dict[str, str]]], **_: object) -> list[float]:
    """The number of words, negated: this reward's differences are far larger than those of the other one."""
    return [-float(len(completion[0]["content"].split())) for completion in completions]


class TwoRewards(GRPOTrainer):
    """Makes a loss from each reward's own advantages, and combines them."""

    def _calculate_rewards(self, *given: object) -> torch.Tensor:
        self.last_rewards = super()._calculate_rewards(*given)
        return self.last_rewards

    def _generate_and_score_completions(self, inputs: list[dict]) -> dict:
        made = super()._generate_and_score_completions(inputs)
        groups = self.last_rewards.unflatten(0, (-1, self.num_generations))
        above = groups - groups.mean(dim=1, keepdim=True)
        made["by_reward"] = (above / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten(0, 1)
        return made

    def _compute_loss(self, model: torch.nn.Module, inputs: dict) -> torch.Tensor:
        advantages = inputs["by_reward"].unbind(dim=1)
        losses = [super(TwoRewards, self)._compute_loss(model, {**inputs, "advantages": each}) for each in advantages]
        # Where all completions of a batch have equal rewards, that reward has nothing to teach.
        losses = [loss for loss, each in zip(losses, advantages, strict=True) if each.any()] or losses
        last_layer = self.accelerator.unwrap_model(model).model.layers[-1].parameters()
        return combined_loss(losses, last_layer, "gapo") if len(losses) > 1 else losses[0]


trainer = TwoRewards(
    model,
    [shared_words, few_words],
    args=GRPOConfig(
        options.out,
        max_steps=options.steps,
        num_generations=4,
        max_completion_length=32,
        learning_rate=1e-4,
        bf16=False,
        report_to="none",
    ),
    train_dataset=Dataset.from_list(rows),
    processing_class=tokenizer,
    callbacks=[ProtectCallback(options.mask)],
)
trainer.train()
trainer.save_model(options.out)
