"""Halves that grow: nested, apart, and in the end what scoring them at once gives."""

import pytest
import torch

from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood, ScoreOptions, score_halves
from holdfast.score.convergence import doubled, growing_halves
from tests.tiny import make_loaded

EXCHANGES = [Exchange(f"clock {number} ?", f"mend {number * number} .") for number in range(12)]


class Recorded(ResponseLikelihood):
    """Notes what was asked, in order."""

    def contributions(self, model, items):
        self.asked = [*getattr(self, "asked", []), *items]
        return super().contributions(model, items)


def test_the_last_size_is_what_scoring_the_halves_at_once_gives(llama, tokenizer):
    loaded, objective = make_loaded(llama, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES)
    *_, last = growing_halves(loaded, objective, smallest=2, seed=3)
    at_once = score_halves(loaded, objective, seed=3)
    assert last.num_prompts == 6
    for found, expected in ((last.first, at_once.first), (last.second, at_once.second)):
        for name, entries in expected.entries.items():  # float32 sums in another order
            torch.testing.assert_close(found.entries[name], entries, rtol=0, atol=1e-5 * float(entries.max()))


def test_a_curve_reads_every_prompt_once(llama, tokenizer):
    objective = Recorded(tokenizer, EXCHANGES)
    given = ScoreOptions(token_budget=4096)  # without one, items are also read to choose it
    sizes = [one.num_prompts for one in growing_halves(make_loaded(llama, tokenizer), objective, given, smallest=2)]
    assert sizes == [2, 4, 6]
    assert sorted(objective.asked) == list(range(12))


def test_samples_of_a_prompt_stay_together(llama, tokenizer):
    objective = Recorded(tokenizer, [exchange for exchange in EXCHANGES for _ in range(3)])
    first = next(growing_halves(make_loaded(llama, tokenizer), objective, ScoreOptions(token_budget=1), smallest=2))
    assert first.first.made_by["num_items"] == 6
    assert len({item // 3 for item in objective.asked}) == 4


@pytest.mark.parametrize(
    ("smallest", "largest", "sizes"), [(8, 128, [8, 16, 32, 64, 128]), (8, 20, [8, 16, 20]), (8, 5, [5]), (8, 8, [8])]
)
def test_sizes_double_up_to_all_that_there_are(smallest, largest, sizes):
    assert doubled(smallest, largest) == sizes
