"""Responses by vLLM, which fills a GPU with prompts as others end: for evaluations of large checkpoints.

vLLM loads the checkpoint by itself, in the dtype that it is stored in, so it answers for what is stored and for nothing
that was edited in memory. Every response is sampled under a seed of its own, so responses do not depend on what else is
asked. It does not tell of logits that are not finite. Not run here against vLLM, but against a stand-in that has the
signatures of its releases 0.10 and later.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from holdfast.artifacts import seed_from
from holdfast.models.asking import Asked, ask, end_ids, read_response, warn_of_context
from holdfast.models.generate import refuse_equal_samples
from holdfast.models.load import LoadedModel, resolve
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.models.tables import room_for_response
from holdfast.progress import Progress

AT_A_TIME = 1024
"""Responses that are made until they are kept."""


def refuse_missing_engine(options: GenerateOptions) -> None:
    """Raises ValueError when vLLM is asked for and not installed."""
    if options.engine == "vllm" and importlib.util.find_spec("vllm") is None:
        raise ValueError(
            "engine vllm needs the package vllm; install it with pip install vllm, or leave generate.engine out."
        )


class VllmGenerator:
    """Answers as the checkpoint of a loaded model, whose tokenizer and end tokens it takes."""

    def __init__(self, loaded: LoadedModel, log: ResponseLog | None = None) -> None:
        """Loads nothing yet; the log keeps what is answered, and what it knows already is not generated again."""
        self.loaded = loaded
        self.log = log

    def __call__(
        self, prompts: Sequence[str], options: GenerateOptions, progress: Progress, *, openings: Sequence[str] = ()
    ) -> list[Response]:
        """Responses in the order of the prompts, K samples of a prompt one after another; each begins with its opening.

        Raises:
            ValueError: no prompts, several samples without a temperature, a prompt that fills the model's context, or
                vLLM is not installed.
        """
        refuse_missing_engine(options)
        refuse_equal_samples(options)
        asked = ask(self.loaded.model, self.loaded.tokenizer, prompts, openings, options.num_samples)
        warn_of_context(self.loaded.model, [len(one.prompt_ids) for one in asked], options)
        found = dict(self.log.known) if self.log else {}
        missing = [position for position in range(len(asked)) if position not in found]
        engine = self._load_engine(options) if missing else None
        for begin in range(0, len(missing), AT_A_TIME):
            made = self._answer(engine, asked, missing[begin : begin + AT_A_TIME], options)
            found |= made
            if self.log:
                self.log.add(made)
            progress("answering prompts", len(found), len(asked))
        return [found[position] for position in range(len(asked))]

    def _load_engine(self, options: GenerateOptions) -> Any:
        return importlib.import_module("vllm").LLM(  # an extra, and slow
            model=resolve(self.loaded.name),
            # Its own choice would narrow float32.
            dtype=str(self.loaded.storage_dtype).removeprefix("torch."),
            seed=options.seed,
            gpu_memory_utilization=options.gpu_share,
            # vLLM's own defaults, and not those of the checkpoint's generation config.
            generation_config="vllm",
            trust_remote_code=False,
        )

    def _answer(
        self, engine: Any, asked: Sequence[Asked], positions: Sequence[int], options: GenerateOptions
    ) -> dict[int, Response]:
        vllm = importlib.import_module("vllm")
        ends = end_ids(self.loaded.model, self.loaded.tokenizer)
        how = {
            "n": 1,
            "temperature": options.temperature,
            "stop_token_ids": sorted(ends),
            # The checkpoint's own sampling habits would change what is measured.
            "top_p": 1.0,
            "top_k": 0,
        }
        limits = [self._limit(asked[position], options) for position in positions]
        parameters = [
            vllm.SamplingParams(**how, max_tokens=limit, seed=seed_from([options.seed, position]))
            for position, limit in zip(positions, limits, strict=True)
        ]
        questions = [{"prompt_token_ids": asked[position].prompt_ids} for position in positions]
        outputs = engine.generate(questions, parameters, use_tqdm=False)
        found = {}
        for position, output in zip(positions, outputs, strict=True):
            (said,) = output.outputs
            ended = said.finish_reason == "stop"
            token_ids = list(said.token_ids)
            found[position] = read_response(self.loaded.tokenizer, asked[position], token_ids, ends, ended=ended)
        return found

    def _limit(self, asked: Asked, options: GenerateOptions) -> int:
        return room_for_response(self.loaded.model, len(asked.prompt_ids), options.max_new_tokens)
