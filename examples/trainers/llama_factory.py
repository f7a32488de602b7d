"""LLaMA-Factory with held weights.

Run `python llama_factory.py CONFIG.yaml` in place of `llamafactory-cli train CONFIG.yaml`.
"""

from llamafactory.train.tuner import run_exp

from holdfast import ProtectCallback

run_exp(callbacks=[ProtectCallback("mask.safetensors")])
