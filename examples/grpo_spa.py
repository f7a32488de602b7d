"""SPA in a script with TRL's GRPOTrainer: two lines, both marked.

The mask comes first:

    holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration \
        --generate.max-new-tokens 1 --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/grpo_spa.py --mask mask.safetensors
"""

import argparse

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from holdfast import ProtectCallback, load_mask, load_prompts
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


mask = load_mask(options.mask)  # the first line
trainer = GRPOTrainer(
    model,
    shared_words,
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
    callbacks=[ProtectCallback(mask)],  # the second line: holds the mask's weights bit for bit, and checks that it did
)
trainer.train()
trainer.save_model(options.out)
