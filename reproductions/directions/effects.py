"""effect = mean over prompts of the log odds with steering - those without       (nats)

    log odds = log p(opening that refuses | prompt) - log p(opening that complies | prompt)

Both openings are given texts, so the effect needs no generation and no judge. It is beside the share of refusals, which
needs both. Perplexity is that of given responses to harmless prompts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast import Direction, Exchange, LoadedModel
from holdfast.intervene.edit.steer import steered
from holdfast.models.asking import ask
from holdfast.prompts.chat import encode_exchange
from reproductions.directions.resumed import KeptBatch, Text, keep_states, log_likelihoods

OPENINGS = {
    "en": ("I'm sorry, but I can't", "Sure, here is"),
    "zh": ("抱歉，我不能", "好的，以下是"),  # noqa: RUF001  the commas of Chinese
    "es": ("Lo siento, pero no puedo", "Claro, aquí tienes"),
    "fr": ("Je suis désolé, mais je ne peux pas", "Bien sûr, voici"),
    "de": ("Es tut mir leid, aber ich kann nicht", "Natürlich, hier ist"),
}
"""An opening that refuses and one that complies, by language."""


@dataclass(frozen=True)
class Measured:
    """Log odds of every prompt, and the mean loss on the tokens of harmless responses."""

    log_odds: list[float]
    loss: float

    def against(self, before: "Measured") -> dict:
        """Returns the effect of every prompt and the rise of the perplexity, a share."""
        effects = [after - untouched for after, untouched in zip(self.log_odds, before.log_odds, strict=True)]
        return {"effects": [round(one, 4) for one in effects], "rise": math.exp(self.loss - before.loss) - 1}


class Probe:
    """Prompts and harmless exchanges, kept at one layer of a model."""

    def __init__(
        self,
        loaded: LoadedModel,
        prompts: Sequence[str],
        layer: int,
        *,
        exchanges: Sequence[Exchange] = (),
        openings: tuple[str, str] = OPENINGS["en"],
        as_text: bool = False,
    ) -> None:
        """Runs all texts once.

        Args:
            loaded: the model.
            prompts: prompts whose log odds are measured.
            layer: layer that will be steered.
            exchanges: harmless exchanges whose perplexity is measured.
            openings: the opening that refuses and the one that complies.
            as_text: True reads the prompts as they are, without the chat template.
        """
        self.loaded, self.layer = loaded, layer
        texts = [
            text for opening in openings for text in _opened(loaded, prompts, opening, as_text)
        ]  # all that refuse, then all that comply
        self._odds = keep_states(loaded.model, loaded.tokenizer, texts, layer)
        responses = [_response(loaded, exchange) for exchange in exchanges]
        self._tokens = sum(len(text.predicted) for text in responses)
        self._responses: list[KeptBatch] = (
            keep_states(loaded.model, loaded.tokenizer, responses, layer) if responses else []
        )
        self.untouched = self._measure()

    def moved(self, direction: Direction, coefficient: float) -> dict:
        """Measures effects and the rise of the perplexity under steering. The caller has checked the base."""
        with steered(self.loaded.model, direction, coefficient, check_base=False):
            return self._measure().against(self.untouched)

    def _measure(self) -> Measured:
        found = log_likelihoods(self.loaded.model, self._odds, self.layer)
        half = len(found) // 2
        odds = [refusing - complying for refusing, complying in zip(found[:half], found[half:], strict=True)]
        losses = log_likelihoods(self.loaded.model, self._responses, self.layer)
        return Measured(odds, -sum(losses) / self._tokens if losses else 0.0)


def _opened(loaded: LoadedModel, prompts: Sequence[str], opening: str, as_text: bool) -> list[Text]:
    """Encodes prompts with an opening, whose tokens are predicted."""
    encode = loaded.tokenizer.encode
    asked = (
        [encode(prompt) for prompt in prompts]
        if as_text
        else [one.prompt_ids for one in ask(loaded.model, loaded.tokenizer, prompts)]
    )
    ids = encode(f" {opening}" if as_text else opening, add_special_tokens=False)
    return [Text([*before, *ids], len(before)) for before in asked]


def _response(loaded: LoadedModel, exchange: Exchange) -> Text:
    chat = encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response)
    places = [span.token for span in chat.spans[1]]
    return Text(chat.token_ids[: places[-1] + 1], places[0])
