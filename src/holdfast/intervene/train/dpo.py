"""SET by preference: -log sigmoid(beta * (log-ratio of the preferred response - log-ratio of the other))

Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290), by TRL's DPOTrainer. Log-ratios are relative to
the model before training. For a harmful prompt the safe response is preferred over the model's own answer. For a
harmless prompt the helpful response is preferred over a refusal. A harmful prompt is left out where the model's own
answer already matches the preferred response, because it would teach nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datasets import Dataset, IterableDataset
from transformers import PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from holdfast.intervene.train.examples import IGNORED, shuffled_positions, training_row
from holdfast.intervene.train.trainer import Quiet, Training
from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.progress import Progress, silent
from holdfast.records import Exchange
from holdfast.thoughts import without_thoughts


@dataclass(frozen=True)
class Preference:
    """A prompt with a preferred and a rejected response."""

    prompt: str
    chosen: str
    rejected: str


class QuietDpoTrainer(Quiet, DPOTrainer):
    """Preference training on rows that are already tokenized."""

    def _prepare_dataset(
        self, dataset: Dataset | IterableDataset, *_: object, **__: object
    ) -> Dataset | IterableDataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """Adds the starting model's log-probabilities, without DPOTrainer's progress bars and disk cache."""
        rows_with_reference: list[dict[str, object]] = []
        for start in range(0, len(dataset), batch_size):
            rows = [dataset[place] for place in range(start, min(start + batch_size, len(dataset)))]
            batch = {key: value.to(self.args.device) for key, value in self.data_collator(rows).items()}
            chosen, rejected = self.compute_ref_log_probs(self.model, batch)
            for row, ours, theirs in zip(rows, chosen.tolist(), rejected.tolist(), strict=True):
                rows_with_reference.append({**row, "ref_chosen_logps": ours, "ref_rejected_logps": theirs})
        return Dataset.from_list(rows_with_reference)


def preferences(beta: float) -> Training[Preference]:
    """Configures training on preferences. It computes reference log-probabilities first and keeps no second model."""
    settings = {"beta": beta, "precompute_ref_log_probs": True}
    return Training(QuietDpoTrainer, DPOConfig, preference_row, settings)


def preference_row(tokenizer: PreTrainedTokenizerBase, preference: Preference, max_length: int) -> dict[str, list[int]]:
    """Returns the token ids of the prompt and of both responses.

    Raises:
        ValueError: no token of a response fits within `max_length`.
    """
    chosen, rejected = (
        training_row(tokenizer, Exchange(preference.prompt, response), max_length)
        for response in (preference.chosen, preference.rejected)
    )
    shared = min(row["labels"].count(IGNORED) for row in (chosen, rejected))
    return {
        "prompt_ids": chosen["input_ids"][:shared],
        "chosen_ids": chosen["input_ids"][shared:],
        "rejected_ids": rejected["input_ids"][shared:],
    }


def make_preferences(
    loaded: LoadedModel,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    *,
    max_new_tokens: int,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[Preference], list[Preference]]:
    """Makes the preferences for harmful prompts, then those for harmless ones.

    Raises:
        ValueError: the model's own answer to every harmful prompt is empty or is the safe response.
    """
    options = GenerateOptions(max_new_tokens=max_new_tokens)
    own = generate(loaded.model, loaded.tokenizer, [exchange.prompt for exchange in refusals], options, progress)
    harmful = [
        Preference(exchange.prompt, exchange.response, response.record)
        for exchange, response in zip(refusals, own, strict=True)
        if response.text and not exchange.response.startswith(without_thoughts(response.record) or response.record)
    ]
    if not harmful:
        raise ValueError(
            "the model's own answers are empty or are the safe responses already, so there is nothing to prefer; give "
            "other refusals, or objective sft."
        )
    others = shuffled_positions(len(refusals), len(harmless), seed)
    helpful = [
        Preference(exchange.prompt, exchange.response, refusals[other].response)
        for exchange, other in zip(harmless, others, strict=True)
    ]
    return harmful, helpful
