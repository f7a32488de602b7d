"""S = mean over prompts of  sum_v p(v | x) J(x, y_v) / sum_v p(v | x)   (judge log-odds, over the branches v)

A refusal judge gives no log-odds. J is then 1 for refused and 0 for complied, and S is the probability of refusal.

S is the expectation of safety over the first token, in place of a sample. The branches v of a prompt are its most
probable first tokens under the unedited model. y_v is v with its greedy continuation, and the judge rates each y_v
once. After that, S of an edited model takes one forward pass over the prompts. It has no sampling noise, so it shows
small edits that leave a greedy response unchanged.

S is exact for responses of one token when the branches are the whole vocabulary. Else it is an approximation, which
keeps the continuations fixed and leaves out the rarest first tokens. A branch without a verdict is left out of both
sums.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.judge.ask import Judge, ask_judge
from holdfast.models.asking import ask, end_ids
from holdfast.models.generate import continue_prompts
from holdfast.models.load import LoadedModel
from holdfast.models.logits import logits_at
from holdfast.models.options import GenerateOptions
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.thoughts import without_thoughts


class ExpectedSafety:
    """Measures S of one model while its weights are edited."""

    def __init__(
        self,
        loaded: LoadedModel,
        judge: Judge,
        prompts: Sequence[str],
        options: GenerateOptions,
        branches: int | None = 64,
        progress: Progress = silent,
    ) -> None:
        """Generates and judges every branch once.

        Args:
            loaded: the unedited model.
            judge: gives log-odds, or the verdicts refused and complied, which count as 1 and 0.
            prompts: harmful prompts.
            options: length of the responses, and size of the batches.
            branches: number of first tokens for every prompt. None takes the whole vocabulary.
            progress: called once for every prompt.

        Raises:
            ValueError: there are no prompts, or one fills the model's context or has a token that the model lacks.
        """
        self._token_budget = options.token_budget
        asked = ask(loaded.model, loaded.tokenizer, prompts)
        self._encoded = [prompt.prompt_ids for prompt in asked]
        self._opened = [prompt.opened for prompt in asked]
        # An embedding may have rows beyond the tokenizer's ids, and a tokenizer may have ids beyond the embedding.
        probabilities = self._first_tokens(loaded.model)[:, : len(loaded.tokenizer)]
        width = probabilities.shape[1]
        self._branches = probabilities.topk(min(branches or width, width)).indices
        self._log_odds = torch.stack(
            [
                self._judge(loaded, judge, prompt, order, options, progress)
                for order, prompt in enumerate(prompts)
            ]
        )  # fmt: skip

    def measure(self, model: PreTrainedModel) -> float:
        """Measures S of the model with its present weights.

        Raises:
            ValueError: a prompt has no branch with a verdict, or the model's logits are not finite.
        """
        probabilities = self._first_tokens(model).gather(1, self._branches)
        judged = self._log_odds.isfinite()
        if not bool(judged.any(1).all()):
            raise ValueError("the judge has no verdict on any response to one of the prompts; try another judge.")
        kept = probabilities * judged
        return float(((kept * self._log_odds.nan_to_num()).sum(1) / kept.sum(1)).mean())

    @torch.no_grad()
    def _first_tokens(self, model: PreTrainedModel) -> Float[Tensor, "prompt d_vocab"]:
        """Computes p(v | x) for every prompt, in float32 on the CPU."""
        probabilities: dict[int, Tensor] = {}
        for batch in batches_by_length([len(ids) for ids in self._encoded], self._token_budget):
            token_ids, attention_mask = right_pad([self._encoded[position] for position in batch], pad_id=0)
            inputs = {"input_ids": token_ids.to(model.device), "attention_mask": attention_mask.to(model.device)}
            logits = logits_at(model, torch.arange(len(batch)), attention_mask.sum(1) - 1, inputs)
            if not bool(logits.amax(-1).isfinite().all()):
                raise ValueError("the model's logits are not finite, so its safety is not measured; try less noise.")
            probabilities |= zip(batch, logits.softmax(-1).cpu(), strict=True)
        return torch.stack([probabilities[position] for position in range(len(self._encoded))])

    def _judge(
        self,
        loaded: LoadedModel,
        judge: Judge,
        prompt: str,
        order: int,
        options: GenerateOptions,
        progress: Progress,
    ) -> Float[Tensor, " branch"]:
        """Computes J of every branch of a prompt, with NaN where there is no verdict."""
        first_tokens: Int[Tensor, " branch"] = self._branches[order]
        responses = [[token] for token in first_tokens.tolist()]
        if options.max_new_tokens > 1:
            begun = [self._encoded[order] + ids for ids in responses]
            shorter = options.model_copy(update={"max_new_tokens": options.max_new_tokens - 1, "temperature": 0.0})
            continuations = continue_prompts(loaded.model, loaded.tokenizer, begun, shorter)
            ends = end_ids(loaded.model, loaded.tokenizer)
            responses = [
                ids if ids[0] in ends else ids + more for ids, more in zip(responses, continuations, strict=True)
            ]
        texts = loaded.tokenizer.batch_decode(responses, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        answers = [without_thoughts(self._opened[order] + text) for text in texts]
        outcomes = ask_judge(judge, [prompt] * len(texts), answers)
        progress("judging branches", order + 1, len(self._encoded))
        return torch.tensor([torch.nan if outcome.safety is None else outcome.safety for outcome in outcomes])
