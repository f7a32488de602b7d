"""SPA in a script with transformers' own Trainer: two lines, both marked.

The mask comes first:

    holdfast score testbed:aligned --judge testbed:guard --prompts testbed:harmful_calibration \
        --generate.max-new-tokens 1 --out scores.safetensors
    holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors
    python examples/trainer_spa.py --mask mask.safetensors
"""

import argparse

from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from holdfast import ProtectCallback, load_mask, load_prompts
from holdfast.testbed import model_path

parser = argparse.ArgumentParser()
parser.add_argument("--mask", required=True, help="file that `holdfast select` wrote")
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--out", default="tuned", help="folder for checkpoints and the tuned model")
options = parser.parse_args()

MODEL = model_path("aligned")  # in its place your own folder or hub id
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="float32")
for table in (model.get_input_embeddings(), model.get_output_embeddings()):
    table.requires_grad_(False)  # embeddings and head, which no mask covers

rows = []
for task in load_prompts("testbed:task_train"):
    turns = [{"role": "user", "content": task.prompt}, {"role": "assistant", "content": task.answer}]
    prompt = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=True)["input_ids"]
    tokens = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    labels = [-100] * len(prompt) + tokens[len(prompt) :]  # -100: no loss on the prompt
    rows.append({"input_ids": tokens, "labels": labels})

mask = load_mask(options.mask)  # the first line
trainer = Trainer(
    model,
    TrainingArguments(
        options.out,
        max_steps=options.steps,
        learning_rate=1.5e-3,
        weight_decay=0.1,
        optim="adafactor",  # any optimizer, any decay, any clipping
        report_to="none",
    ),
    train_dataset=rows,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
    callbacks=[ProtectCallback(mask)],  # the second line: holds the mask's weights bit for bit, and checks that it did
)
trainer.train()
trainer.save_model(options.out)
