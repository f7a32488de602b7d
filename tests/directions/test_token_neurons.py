"""The neurons are those at the tokens asked for, in every batch."""

import pytest
import torch

from holdfast.directions import token_neurons
from holdfast.directions.token_neurons import Stretch, neurons_at, shared_beginning, thinned
from holdfast.models.activations import reading
from holdfast.models.stream_writers import find_writer
from tests.tiny import make_llama


@pytest.mark.parametrize("budget", [5, 512])
def test_each_stretch_is_read_as_in_its_whole_text(budget, monkeypatch):
    monkeypatch.setattr(token_neurons, "TOKEN_BUDGET", budget)
    model = make_llama()
    writer = find_writer(model, 1)
    texts = [[5, 9, 20, 11, 7], [3, 8, 8], [4, 4]]
    stretches = [Stretch(texts[0], 3), Stretch(texts[1]), Stretch(texts[2], 2)]
    got = torch.cat(list(neurons_at(model, writer, stretches, 0)))
    site = writer.input_site(model)
    expected = []
    for ids, start in ((texts[0], 3), (texts[1], 0)):
        with torch.no_grad(), reading(model, [site]) as activations:
            model(torch.tensor([ids]))
        expected.append(activations[site.name][0, start:])
    torch.testing.assert_close(got, torch.cat(expected), atol=1e-5, rtol=1e-5)  # padding changes the order of sums


def test_what_all_texts_begin_with_is_found_but_for_the_last_token_of_any():
    assert shared_beginning([[1, 2, 3, 4], [1, 2, 5, 4]]) == [1, 2]
    assert shared_beginning([[1, 2, 3, 4], [1, 2, 3]]) == [1, 2]
    assert shared_beginning([[1], [2]]) == []


def test_many_tokens_are_thinned_and_their_mean_counts_all(monkeypatch):
    monkeypatch.setattr(token_neurons, "MOST_TOKENS", 4)
    batches = torch.arange(20.0).reshape(10, 2).split([3, 1, 4, 2])
    kept, mean = thinned(iter(batches), 10)
    assert kept[:, 0].tolist() == [0, 6, 12, 18]  # rows 0, 3, 6 and 9
    assert mean.tolist() == [9, 10]
