"""SPA in a script with TRL's DPOTrainer: two lines, both marked.

The mask comes first:

    holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration \
        --generate.max-new-tokens 1 --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/dpo_spa.py --mask mask.safetensors
"""

import argparse
from itertools import pairwise

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from holdfast import ProtectCallback, load_mask, load_prompts
from holdfast.testbed import model_path

parser = argparse.ArgumentParser()
parser.add_argument("--mask", required=True, help="file that `holdfast select` wrote")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--out", default="tuned", help="folder for checkpoints and the tuned model")
options = parser.parse_args()

MODEL = model_path("aligned")  # in its place your own folder or hub id
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32")
for table in (model.get_input_embeddings(), model.get_output_embeddings()):
    table.requires_grad_(False)  # embeddings and head, which no mask covers

tasks = load_prompts("testbed:task_train")
rows = [
    {
        "prompt": [{"role": "user", "content": task.prompt}],
        "chosen": [{"role": "assistant", "content": task.answer}],
        "rejected": [{"role": "assistant", "content": other.answer}],
    }
    for task, other in pairwise(tasks)  # the answer to another question is the worse one
]

mask = load_mask(options.mask)  # the first line
trainer = DPOTrainer(
    model,
    args=DPOConfig(options.out, max_steps=options.steps, learning_rate=1e-4, bf16=False, report_to="none"),
    train_dataset=Dataset.from_list(rows),
    processing_class=tokenizer,
    callbacks=[ProtectCallback(mask)],  # the second line: holds the mask's weights bit for bit, and checks that it did
)
trainer.train()
trainer.save_model(options.out)
