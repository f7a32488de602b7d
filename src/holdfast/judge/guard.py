"""A judge that is a causal language model: J(x, y) = log p(safe | x, y) - log p(unsafe | x, y)   (log-odds)

The judge reads prompt and response in its own chat template, with the response as the assistant's turn. J is read where
the verdict begins, after the prefix that the judge always writes before it. p(safe) is the sum over all words of that
side. Words are compared by their first token at that place. `families.py` describes each family of judges as data.
"""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.judge.families import FAMILIES, GuardFamily, recognise
from holdfast.judge.model_judge import Batch, ModelJudge, ShownExchange
from holdfast.judge.options import GuardOptions
from holdfast.models.logits import logits_at
from holdfast.models.tables import check_token_ids
from holdfast.outcomes import Outcome
from holdfast.prompts.chat import ChatFormat, EncodedChat, Turn, encode_chat, has_chat_template

WORDS = ("safe", "unsafe", "controversial")


class GuardJudge(ModelJudge):
    """A causal guard model that answers safe or unsafe about an exchange.

    Raises:
        ValueError: there is no chat template, a verdict merges with the prefix, safe and unsafe begin alike, or the
            template has a token that the judge's embedding lacks.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: GuardOptions = GuardOptions()
    ) -> None:
        super().__init__(model, tokenizer, options.token_budget)
        self.options = options
        self.family = family_of(tokenizer, options)
        if not (self.family.template or has_chat_template(tokenizer)):
            raise ValueError(
                f"judge {tokenizer.name_or_path!r} has no chat template, so it can't read an exchange; "
                "set the guard's `template` to one, or use a guard model that brings one."
            )
        self.safe_ids, self.unsafe_ids = self._verdict_ids()

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
        """Returns one outcome per response, in order. Text that the judge's family was never trained on is unscored."""
        reasons = [
            self.foreign(prompt) or self.foreign(response) for prompt, response in zip(prompts, responses, strict=True)
        ]
        outcomes = super().judge(prompts, responses)
        return [
            Outcome.unscored(reason) if reason else outcome for reason, outcome in zip(reasons, outcomes, strict=True)
        ]

    def foreign(self, text: str) -> str | None:
        """Returns the reason why the judge cannot know a text. None if it may."""
        match = re.search(self.family.foreign, text) if self.family.foreign else None
        return match and f"the judge was never trained on text with the letters of {match.group()!r}"

    def show(self, prompt: str, response: str) -> ShownExchange:
        """Returns the exchange in the judge's chat template, up to where its verdict begins."""
        chat = self._encode(prompt, response)
        return ShownExchange(chat.token_ids, chat.spans[1])

    def verdict_logits(
        self, embeddings: Float[Tensor, "batch token d_judge"], batch: Batch
    ) -> Float[Tensor, "batch verdict"]:
        """Returns the logits of the token with which the verdict begins."""
        inputs = {"inputs_embeds": embeddings, "attention_mask": batch.attention_mask}
        last = batch.attention_mask.sum(1) - 1
        return logits_at(self.model, torch.arange(len(last)), last, inputs)

    def objection(self, logits: Float[Tensor, " verdict"]) -> str | None:
        """Returns a reason if the judge would have answered something else than a verdict."""
        mass = float(logits.softmax(0)[self.safe_ids + self.unsafe_ids].sum())
        if mass >= self.options.min_verdict_mass:
            return None
        return f"the judge answered neither verdict (their probability is {mass:.2f})"

    def _encode(self, prompt: str, response: str, verdict: str = "") -> EncodedChat:
        family = self.family
        return encode_chat(
            self.tokenizer,
            [Turn("user", prompt), Turn("assistant", response)],
            generation_prompt=family.generation_prompt,
            chat_format=ChatFormat(family.template, family.arguments, family.prefix + verdict),
        )

    def _verdict_ids(self) -> tuple[list[int], list[int]]:
        family, between = self.family, self.options.controversial_is
        safe = {self._first_token(word) for word in family.safe + family.controversial * (between == "safe")}
        unsafe = {self._first_token(word) for word in family.unsafe + family.controversial * (between == "unsafe")}
        if not safe or not unsafe or safe & unsafe:
            raise ValueError(
                f"the judge's verdicts {family.safe} and {family.unsafe} do not begin with distinct tokens "
                f"({sorted(safe)} and {sorted(unsafe)}); set the judge's `safe` and `unsafe` words to ones that do."
            )
        return sorted(safe), sorted(unsafe)

    def _first_token(self, word: str) -> int:
        """Returns the first token of a verdict at its place after the prefix."""
        before, after = (self._encode("a", "b", verdict).token_ids for verdict in ("", word))
        check_token_ids(self.model, self.tokenizer, [after])
        if len(after) <= len(before) or after[: len(before)] != before:
            raise ValueError(
                f"the judge's verdict {word!r} has no token of its own after the prefix {self.family.prefix!r}; "
                "move a blank from the end of the prefix to the beginning of the verdict."
            )
        return after[len(before)]


def family_of(tokenizer: PreTrainedTokenizerBase, options: GuardOptions) -> GuardFamily:
    """Returns the judge's family, with the parts that the options override."""
    family = FAMILIES[options.family] if options.family else recognise(tokenizer)
    given = {name: value for name in GuardFamily.model_fields if (value := getattr(options, name, None)) is not None}
    words = {name: (value,) for name, value in given.items() if name in WORDS and isinstance(value, str)}
    return family.model_copy(update=given | words)
