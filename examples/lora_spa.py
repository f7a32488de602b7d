"""SPA under LoRA with TRL's SFTTrainer: train, save the adapter, load it again, merge, and check the checkpoint.

The mask comes first:

    holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration \
        --generate.max-new-tokens 1 --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/lora_spa.py --mask mask.safetensors
"""

import argparse
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from holdfast import ProtectCallback, check_hold, load_prompts, load_protected, merge_protected
from holdfast.testbed import model_path

parser = argparse.ArgumentParser()
parser.add_argument("--mask", required=True, help="file that `holdfast select` wrote")
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--out", default="tuned", help="folder for the merged model; the adapter goes into a folder in it")
options = parser.parse_args()

MODEL = model_path("aligned")  # in its place your own folder or hub id
ADAPTER = Path(options.out) / "adapter"
tokenizer = AutoTokenizer.from_pretrained(MODEL)

rows = [
    {
        "prompt": [{"role": "user", "content": task.prompt}],
        "completion": [{"role": "assistant", "content": task.answer}],
    }
    for task in load_prompts("testbed:task_train")
]
trainer = SFTTrainer(
    AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32"),
    args=SFTConfig(
        options.out + "-training", max_steps=options.steps, learning_rate=7e-4, bf16=False, report_to="none"
    ),
    train_dataset=Dataset.from_list(rows),
    processing_class=tokenizer,
    peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    callbacks=[ProtectCallback(options.mask)],  # the one line that training needs
)
trainer.train()
trainer.save_model(str(ADAPTER))  # the mask lies beside the adapter, which alone does not hold

# Another day: the adapter on its base, merged into a checkpoint that any program may serve.
base = AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32")
merged = merge_protected(load_protected(base, ADAPTER))
merged.save_pretrained(options.out)
tokenizer.save_pretrained(options.out)

check = check_hold(options.out, MODEL, options.mask)
check.refuse_moved()  # raises where a held weight differs
print(f"{check.held:,} held weights are the base's, {check.others_moved:,} others moved")
