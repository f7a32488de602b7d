"""SET in a script with TRL's SFTTrainer: an unsafe model learns to refuse on 1% of its weights.

The mask comes first:

    holdfast score testbed:unaligned --objective refusal_likelihood --prompts testbed:refusals --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/sft_set.py --mask mask.safetensors
"""

import argparse
from itertools import zip_longest

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from holdfast import load_exchanges, train_only
from holdfast.testbed import model_path

parser = argparse.ArgumentParser()
parser.add_argument("--mask", required=True, help="file that `holdfast select` wrote")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--out", default="tuned", help="folder for checkpoints and the tuned model")
options = parser.parse_args()

MODEL = model_path("unaligned")  # in its place your own folder or hub id
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32")

exchanges = [
    pair  # refusals alone would teach it to refuse everything
    for both in zip_longest(load_exchanges("testbed:refusals"), load_exchanges("testbed:harmless_exchanges"))
    for pair in both
    if pair is not None  # the shorter set has ended
]
rows = [
    {
        "prompt": [{"role": "user", "content": exchange.prompt}],
        "completion": [{"role": "assistant", "content": exchange.response}],
    }
    for exchange in exchanges
]

with train_only(model, options.mask, lr=1e-3) as only:  # the first line; move the model to its device before
    trainer = SFTTrainer(
        model,
        args=SFTConfig(
            options.out,
            max_steps=options.steps,
            lr_scheduler_type="constant_with_warmup",
            bf16=False,
            report_to="none",
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        optimizers=only.optimizers,  # the second line, with the next: trains the mask's weights and no other bit
        callbacks=[only],
    )
    trainer.train()
trainer.save_model(options.out)
