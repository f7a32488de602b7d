"""A model whose safety can be enumerated: a dozen tokens, up to three positions, float64, linear judges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import torch
from tokenizers import Tokenizer, decoders, models
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from holdfast.judge.model_judge import ResponseGradient
from holdfast.models.response_log import Response
from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Objective
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass

LETTERS = list("abcdefghijkl")
WORDS = ["a", "b", "c", "d", "e", "f", "ab", "cd", "abc", "fed", "bead", "ce"]
PROMPT_IDS = [2, 7, 5]


@dataclass
class LinearJudge:
    """J(y) = sum over characters j of weights[j] * direction . embedding(j), or their mean; a token a character."""

    weights: Sequence[float] = (1.0,) * 12
    mean: bool = True

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(11)
        self.table = torch.randn(len(LETTERS), 6, generator=generator, dtype=torch.float64)
        self.direction = torch.randn(6, generator=generator, dtype=torch.float64)

    def log_odds(self, text: str) -> float:
        return float((self._gradients(text) * self._embed(text)).sum())

    def response_gradients(self, prompts: Sequence[str], responses: Sequence[str]) -> list[ResponseGradient]:
        return [
            ResponseGradient(self.log_odds(text), self._gradients(text), [(j, j + 1) for j in range(len(text))])
            for text in responses
        ]

    def embed_strings(self, strings: Sequence[str]) -> Tensor:
        return torch.stack([self._embed(string).mean(0) for string in strings])

    def _embed(self, text: str) -> Tensor:
        return self.table[[LETTERS.index(character) for character in text]]

    def _gradients(self, text: str) -> Tensor:
        weights = torch.tensor(self.weights[: len(text)], dtype=torch.float64)
        return weights[:, None] * self.direction / (len(text) if self.mean else 1)


@dataclass
class CurvedJudge(LinearJudge):
    """J(y) = 2 tanh(L(y)), L a linear judge's: its gradient around one response misleads about others."""

    def log_odds(self, text: str) -> float:
        return 2 * math.tanh(super().log_odds(text))

    def response_gradients(self, prompts: Sequence[str], responses: Sequence[str]) -> list[ResponseGradient]:
        slopes = [2 * (1 - math.tanh(LinearJudge.log_odds(self, text)) ** 2) for text in responses]
        found = super().response_gradients(prompts, responses)
        return [
            ResponseGradient(one.log_odds, slope * one.gradients, one.spans)
            for slope, one in zip(slopes, found, strict=True)
        ]


@dataclass
class World:
    """A tiny Llama that says `length` of the words, each one token; `judge` reads them a character a token."""

    words: list[str]
    length: int
    judge: LinearJudge
    seed: int = 0
    dependence: float = 0.2
    """Size of the weights: how much a token depends on those before it."""
    tokenizer: PreTrainedTokenizerFast = field(init=False)
    model: PreTrainedModel = field(init=False)
    _distribution: tuple[Tensor, list[tuple[int, ...]]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        words = {word: order for order, word in enumerate(self.words)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token=self.words[0]))
        tokenizer.decoder = decoders.Fuse()  # pyright: ignore
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        self.model = _make_model(len(words), self.seed, self.dependence)

    def respond(self, token_ids: Sequence[int], prompt: str = "prompt") -> Response:
        text = "".join(self.words[token] for token in token_ids)
        return Response(prompt, PROMPT_IDS, list(token_ids), text, finished=True)

    def sample(self, num_responses: int) -> list[Response]:
        """Responses drawn from the model, seeded."""
        _, probabilities, sequences = self.enumerate()
        generator = torch.Generator().manual_seed(5)
        drawn = torch.multinomial(probabilities, num_responses, replacement=True, generator=generator)
        return [self.respond(sequences[position], f"prompt {order}") for order, position in enumerate(drawn.tolist())]

    def sample_of_one_prompt(self, num_responses: int, seed: int) -> list[Response]:
        """Independent responses to the same prompt."""
        if self._distribution is None:
            self._distribution = self.enumerate()[1:]
        probabilities, sequences = self._distribution
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.multinomial(probabilities, num_responses, replacement=True, generator=generator)
        return [self.respond(sequences[position]) for position in drawn.tolist()]

    @cached_property
    def greedy(self) -> Response:
        """The response of the likeliest token after the likeliest."""
        token_ids: list[int] = []
        for _ in range(self.length):
            logits = self.model(torch.tensor([[*PROMPT_IDS, *token_ids]])).logits[0, -1]
            token_ids.append(int(logits.argmax()))
        return self.respond(token_ids)

    def enumerate(self) -> tuple[Tensor, Tensor, list[tuple[int, ...]]]:
        """S, differentiable, with the probability of every response and its tokens."""
        sequences = list(product(range(len(self.words)), repeat=self.length))
        token_ids = torch.tensor([[*PROMPT_IDS, *sequence] for sequence in sequences])
        log_p = self.model(token_ids).logits[:, len(PROMPT_IDS) - 1 : -1].log_softmax(-1)
        probabilities = log_p.gather(2, token_ids[:, len(PROMPT_IDS) :, None]).sum((1, 2)).exp()
        verdicts = [self.judge.log_odds(self.respond(sequence).text) for sequence in sequences]
        return probabilities @ torch.tensor(verdicts, dtype=torch.float64), probabilities.detach(), sequences

    @cached_property
    def exact_gradient(self) -> dict[str, Tensor]:
        """dS/dw of every scored weight."""
        weights = dict(self.model.named_parameters())
        names = [site.name for site in scored_sites(self.model)]
        gradients = torch.autograd.grad(self.enumerate()[0], [weights[name] for name in names])
        return dict(zip(names, gradients, strict=True))


def cosine(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    ours, theirs = (torch.cat([side[name].double().flatten() for name in sorted(left)]) for side in (left, right))
    return float(torch.cosine_similarity(ours, theirs, dim=0))


def gradient_of(world: World, objective: Objective) -> dict[str, Tensor]:
    """The estimate of dS/dw for every scored weight."""
    names = [site.name for site in scored_sites(world.model)]
    total = sum_gradients(world.model, names, objective, range(len(objective.completions)), Pass(token_budget=2**15))
    return {name: total.mean(name) for name in names}


def _make_model(vocabulary: int, seed: int, dependence: float) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        initializer_range=dependence,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).double().eval()
    model.get_input_embeddings().weight.data *= 2  # choices that are neither even nor certain
    return model
