"""Rows that have ended leave the batch, what the others say does not change by it, and sampling is plain."""

from dataclasses import replace

import pytest
import torch

from holdfast.models.continuing import STRETCH, Decoding, Way, continue_rows
from holdfast.models.ways import find_way
from tests.models.families import EVERY, make_family
from tests.tiny import make_llama

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [14, 15], [16, 17, 18, 19]]
ATTENTION = Way(pads=True, in_stretches=True, caches=True)
LENGTH = 3 * STRETCH - 2


@torch.no_grad()
@pytest.mark.parametrize("family", EVERY)
def test_every_row_goes_on_as_it_does_in_one_stretch(family, monkeypatch):
    model = make_family(family).eval()
    way = find_way(model, pad_id=0)
    decoding = Decoding(LENGTH, temperature=0, end_ids=frozenset(), pad_id=0)
    expected = [one.token_ids for one in continue_rows(model, PROMPTS, decoding, replace(way, in_stretches=False))]
    ends = {expected[0][2], expected[3][STRETCH + 1]}
    widths = []
    generate = type(model).generate

    def counted(self, token_ids, **options):
        widths.append(len(token_ids))
        return generate(self, token_ids, **options)

    monkeypatch.setattr(type(model), "generate", counted)
    found = continue_rows(model, PROMPTS, replace(decoding, end_ids=frozenset(ends)), way)
    for one, tokens in zip(found, expected, strict=True):
        end = next((place for place, token in enumerate(tokens) if token in ends), LENGTH)
        assert one.token_ids[: end + 1] == tokens[: end + 1]
        assert len(one.broken) == len(one.token_ids)
        assert one.first_broken is None
    lasting = sum(not ends & set(tokens[:STRETCH]) for tokens in expected)
    assert lasting < len(PROMPTS)
    # Some tiny models repeat themselves, and end all at once; the state of a hybrid (Jamba) can't be handed on.
    assert widths[1:2] == [lasting] * (lasting > 0 and way.in_stretches)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_tokens_are_sampled_from_the_models_whole_distribution(temperature):
    """Not from the 50 likeliest tokens (off by 0.3), nor from 0.9 of the mass (0.1), nor at another temperature."""
    llama = make_llama(vocabulary=120)
    with torch.no_grad():
        llama.get_input_embeddings().weight.mul_(4)  # the head's as well: some tokens are 30 times as likely as others
        exact = (llama(torch.tensor([PROMPTS[0]])).logits[0, -1] / temperature).softmax(-1)
    num_samples = 8_000
    decoding = Decoding(1, temperature, end_ids=frozenset(), pad_id=0)
    torch.manual_seed(0)
    found = continue_rows(llama, PROMPTS[:1] * num_samples, decoding, ATTENTION)
    counts = torch.bincount(torch.tensor([one.token_ids[0] for one in found]), minlength=len(exact))
    distance = float((counts / num_samples - exact).abs().sum() / 2)
    # Half of the sum of expected absolute errors of binomial shares is at most sqrt(120 / (2 pi 8,000)) = 0.049.
    assert distance < 0.07


def test_a_way_without_a_cache_answers_as_one_with_it(llama):
    decoding = Decoding(5, temperature=0, end_ids=frozenset(), pad_id=0)
    cached, read_again = (
        [one.token_ids for one in continue_rows(llama, [[5, 6, 7]], decoding, Way(False, False, caches))]
        for caches in (True, False)
    )
    assert cached == read_again
