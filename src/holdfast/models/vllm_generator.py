"""Generates responses with vLLM, which fills a GPU with new prompts as others end. Meant for large checkpoints.

vLLM loads the checkpoint itself, in the dtype in which it is stored. So it answers with the stored weights and ignores
edits in memory. Every response has a seed of its own, so it does not depend on the other prompts. vLLM does not report
logits that are not finite. This file was tested with a stand-in that has the signatures of vLLM 0.10 and later, not
with vLLM itself.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.artifacts import seed_from
from holdfast.models.asking import Asked, ask, end_ids, read_response, warn_of_context
from holdfast.models.generate import refuse_equal_samples
from holdfast.models.load import LoadedModel, resolve
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.models.tables import room_for_response
from holdfast.progress import Progress

AT_A_TIME = 1024
"""Number of responses generated before they are added to the log."""


class Completion(Protocol):
    """A response of vLLM, as far as it is read here."""

    token_ids: Sequence[int]
    finish_reason: str | None


class Output(Protocol):
    """The responses of vLLM to one prompt."""

    outputs: Sequence[Completion]


class Engine(Protocol):
    """vLLM's `LLM`, as far as it is used here."""

    def generate(
        self, prompts: Sequence[Mapping[str, object]], sampling_params: Sequence[object], *, use_tqdm: bool
    ) -> Sequence[Output]: ...


def refuse_missing_engine(options: GenerateOptions) -> None:
    """Raises ValueError if the options choose vLLM and it is not installed."""
    if options.engine == "vllm" and importlib.util.find_spec("vllm") is None:
        raise ValueError(
            "engine vllm needs the package vllm; install it with pip install vllm, or leave generate.engine out."
        )


class VllmGenerator:
    """Answers with the checkpoint of a loaded model, and uses that model's tokenizer and end tokens."""

    def __init__(self, loaded: LoadedModel, log: ResponseLog | None = None) -> None:
        """Loads nothing yet. The log keeps responses, and those that it holds already are not generated again."""
        self.loaded = loaded
        self.log = log

    def __call__(
        self, prompts: Sequence[str], options: GenerateOptions, progress: Progress, *, openings: Sequence[str] = ()
    ) -> list[Response]:
        """Returns the responses in the order of the prompts, the K samples of a prompt in a row.

        Each response begins with its opening.

        Raises:
            ValueError: no prompts, several samples without a temperature, a prompt that fills the model's context, or
                vLLM is not installed.
        """
        refuse_missing_engine(options)
        refuse_equal_samples(options)
        asked = ask(self.loaded.model, self.loaded.tokenizer, prompts, openings, options.num_samples)
        warn_of_context(self.loaded.model, [len(prompt.prompt_ids) for prompt in asked], options)
        responses = dict(self.log.known) if self.log else {}
        missing = [position for position in range(len(asked)) if position not in responses]
        progress("answering prompts", len(responses), len(asked))
        engine = self._load_engine(options) if missing else None
        for begin in range(0, len(missing), AT_A_TIME):
            assert engine is not None
            new_responses = self._answer(engine, asked, missing[begin : begin + AT_A_TIME], options)
            responses |= new_responses
            if self.log:
                self.log.add(new_responses)
            progress("answering prompts", len(responses), len(asked))
        return [responses[position] for position in range(len(asked))]

    def _load_engine(self, options: GenerateOptions) -> Engine:
        return importlib.import_module("vllm").LLM(  # optional, and slow to import
            model=resolve(self.loaded.name),
            # vLLM's own choice would narrow float32.
            dtype=str(self.loaded.storage_dtype).removeprefix("torch."),
            seed=options.seed,
            gpu_memory_utilization=options.gpu_share,
            # vLLM's own defaults, and not those of the checkpoint's generation config.
            generation_config="vllm",
            trust_remote_code=False,
        )

    def _answer(
        self, engine: Engine, asked: Sequence[Asked], positions: Sequence[int], options: GenerateOptions
    ) -> dict[int, Response]:
        vllm = importlib.import_module("vllm")
        ends = end_ids(self.loaded.model, self.loaded.tokenizer)
        shared = {
            "n": 1,
            "temperature": options.temperature,
            "stop_token_ids": sorted(ends),
            # Sampling defaults of the checkpoint would change the measurement.
            "top_p": 1.0,
            "top_k": 0,
        }
        limits = [self._limit(asked[position], options) for position in positions]
        parameters = [
            vllm.SamplingParams(**shared, max_tokens=limit, seed=seed_from([options.seed, position]))
            for position, limit in zip(positions, limits, strict=True)
        ]
        questions = [{"prompt_token_ids": asked[position].prompt_ids} for position in positions]
        outputs = engine.generate(questions, parameters, use_tqdm=False)
        responses = {}
        for position, output in zip(positions, outputs, strict=True):
            (completion,) = output.outputs
            ended = completion.finish_reason == "stop"
            token_ids = list(completion.token_ids)
            responses[position] = read_response(self.loaded.tokenizer, asked[position], token_ids, ends, ended=ended)
        return responses

    def _limit(self, asked: Asked, options: GenerateOptions) -> int:
        return room_for_response(self.loaded.model, len(asked.prompt_ids), options.max_new_tokens)
