"""A package that looks like vLLM to whoever imports it, with the signatures that are called; transformers answers."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import torch
from transformers import AutoModelForCausalLM


class SamplingParams:
    """Those of the real one's arguments that are used; another is a TypeError, as there."""

    def __init__(self, *, n=1, temperature=1.0, top_p=1.0, top_k=0, seed=None, stop_token_ids=None, max_tokens=16):
        self.n, self.temperature, self.top_p, self.top_k = n, temperature, top_p, top_k
        self.seed, self.stop_token_ids, self.max_tokens = seed, stop_token_ids, max_tokens


class LLM:
    """Loads a folder and answers greedily, one prompt at a time."""

    made: ClassVar[list["LLM"]] = []

    def __init__(
        self,
        model,
        *,
        tokenizer=None,
        trust_remote_code=False,
        tensor_parallel_size=1,
        dtype="auto",
        seed=0,
        gpu_memory_utilization=0.9,
        generation_config="auto",
    ):
        self.given = {"dtype": dtype, "seed": seed, "share": gpu_memory_utilization, "remote_code": trust_remote_code}
        self.given["generation_config"] = generation_config
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
        self.asked: list[SamplingParams] = []
        LLM.made.append(self)

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None):
        """One output a prompt, as RequestOutput and CompletionOutput have their parts."""
        self.asked += sampling_params
        return [self._answer(*pair) for pair in zip(prompts, sampling_params, strict=True)]

    def _answer(self, prompt, parameters):
        token_ids = list(prompt["prompt_token_ids"])
        said = []
        while len(said) < parameters.max_tokens and not {*said} & {*parameters.stop_token_ids}:
            with torch.no_grad():
                said.append(int(self.model(torch.tensor([token_ids + said])).logits[0, -1].argmax()))
        reason = "stop" if {*said} & {*parameters.stop_token_ids} else "length"
        output = SimpleNamespace(index=0, text="", token_ids=tuple(said), finish_reason=reason, stop_reason=None)
        return SimpleNamespace(prompt_token_ids=token_ids, outputs=[output], finished=True)


def install(monkeypatch):
    """Makes `import vllm` find this, until the test ends; returns the engines that are made."""
    module = ModuleType("vllm")
    module.__spec__ = ModuleSpec("vllm", None)
    module.LLM, module.SamplingParams = LLM, SamplingParams  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setattr(LLM, "made", [])
    return LLM.made
