"""A small model of four languages, trained within seconds, which has learned to refuse harmful sentences in three.

A sentence is a subject, a verb, an object and a mark. Half of the verbs are harmful, and the model answers a sentence
with REFUSE or COMPLY, then repeats its subject. All languages have one grammar and one pair of answers, and no word in
common. They differ in their share of the training sentences, and the model has never read the last one.
"""

import random
from dataclasses import dataclass
from itertools import product

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from holdfast.directions.states import states_of
from tests.tiny import make_tokenizer

SHARES = {"high": 0.6, "middle": 0.34, "low": 0.06, "unread": 0.0}
"""Languages, and their shares of the training sentences."""
SUBJECTS, VERBS, OBJECTS = 8, 12, 8
WORDS = SUBJECTS + VERBS + OBJECTS
REFUSE, COMPLY, MARK, FIRST_WORD = 2, 3, 4, 5
PAIRS = 60
STEPS, BATCH = 260, 64


@dataclass(frozen=True)
class Sentence:
    """Places of the words in their lists."""

    subject: int
    verb: int
    object: int

    @property
    def is_harmful(self) -> bool:
        """Every second verb is harmful."""
        return self.verb % 2 == 1


def encode(sentence: Sentence, language: str) -> list[int]:
    """Returns the tokens up to the mark that asks for an answer."""
    first = FIRST_WORD + WORDS * list(SHARES).index(language)
    places = (sentence.subject, SUBJECTS + sentence.verb, SUBJECTS + VERBS + sentence.object)
    return [*(first + place for place in places), MARK]


def whole(sentence: Sentence, language: str) -> list[int]:
    """Returns the tokens with the answer and the repeated subject."""
    asked = encode(sentence, language)
    return [*asked, REFUSE if sentence.is_harmful else COMPLY, asked[0]]


def train(seed: int = 0, width: int = 48) -> PreTrainedModel:
    """Trains the model on sentences of all languages but the last, by their shares."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    config = LlamaConfig(
        vocab_size=FIRST_WORD + WORDS * len(SHARES), hidden_size=width, intermediate_size=2 * width,
        num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=16, pad_token_id=0,
        bos_token_id=None, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.1)
    for _ in range(STEPS):
        languages = draw.choices(list(SHARES), weights=list(SHARES.values()), k=BATCH)
        token_ids = torch.tensor([whole(drawn(draw), language) for language in languages])
        logits = model(token_ids).logits[:, :-1]
        cross_entropy(logits.reshape(-1, logits.shape[-1]), token_ids[:, 1:].reshape(-1)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval().requires_grad_(False)


def drawn(draw: random.Random) -> Sentence:
    """Draws a sentence."""
    return Sentence(draw.randrange(SUBJECTS), draw.randrange(VERBS), draw.randrange(OBJECTS))


def sentences(count: int) -> list[list[int]]:
    """Returns the tokens of drawn sentences of the languages that were read, up to the mark."""
    draw = random.Random(2)
    languages = [language for language, share in SHARES.items() if share]
    return [encode(drawn(draw), draw.choice(languages)) for _ in range(count)]


def pairs(seed: int = 1) -> list[tuple[Sentence, Sentence]]:
    """Returns pairs of a harmful and a harmless sentence with the same subject and object, no two alike."""
    every = [
        (Sentence(subject, 2 * verb + 1, thing), Sentence(subject, 2 * verb, thing))
        for subject, verb, thing in product(range(SUBJECTS), range(VERBS // 2), range(OBJECTS))
    ]
    return random.Random(seed).sample(every, PAIRS)


def states(model: PreTrainedModel, language: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the states of all pairs at the mark: of harmful and harmless sentences, each (layer, pair, d_model)."""
    sides = zip(*pairs(), strict=True)
    harmful, harmless = (
        states_of(model, make_tokenizer(), [encode(sentence, language) for sentence in side]) for side in sides
    )
    return harmful, harmless


def log_odds(model: PreTrainedModel, language: str) -> float:
    """Computes the mean log odds of REFUSE against COMPLY over all sentences of the pairs."""
    asked = torch.tensor([encode(sentence, language) for pair in pairs() for sentence in pair])
    logits = model(asked).logits[:, -1]
    return float((logits[:, REFUSE] - logits[:, COMPLY]).mean())


def perplexity(model: PreTrainedModel, language: str) -> float:
    """Computes the perplexity of whole sentences with their right answers, from the second token on."""
    token_ids = torch.tensor([whole(sentence, language) for pair in pairs() for sentence in pair])
    logits = model(token_ids).logits[:, :-1]
    return float(cross_entropy(logits.reshape(-1, logits.shape[-1]), token_ids[:, 1:].reshape(-1)).exp())
