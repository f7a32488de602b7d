"""Exposure and ranks of canaries are exact, and the page's bar counts every part of a result."""

from collections import Counter
from math import log2

import pytest
import torch
from reproductions.depn import canaries, page, run

from holdfast import load_model


@pytest.fixture(scope="module")
def loaded():
    return load_model("testbed:aligned")


def test_exposure_by_hand():
    """log2(1000) = 9.966 bits for the likeliest of all, 0 for the last, one bit less at twice the rank."""
    assert canaries.exposure(1) == pytest.approx(9.9658, abs=1e-4)
    assert canaries.exposure(1000) == 0
    assert canaries.exposure(10) - canaries.exposure(20) == pytest.approx(1)
    unseen = sum(canaries.exposure(rank) for rank in range(1, 1001)) / 1000
    assert unseen == pytest.approx(1.44, abs=0.01), "as the page says of held-out canaries"


def test_a_rank_counts_the_likelier_secrets():
    values = torch.zeros(10, 10, 10)
    values[0, 0, 7], values[4, 2, 1], values[9, 9, 9] = 3.0, 2.0, 1.0
    assert [canaries.rank_of(secret, values) for secret in ("007", "421", "999", "000")] == [1, 2, 3, 4]


def test_one_pass_gives_the_probability_that_each_secret_has_alone(loaded):
    canary = canaries.make_canaries(1)[0]
    before, digits = canaries.prompt_ids(loaded.tokenizer, canary), canaries.digit_ids(loaded.tokenizer)
    values = canaries.log_probabilities(loaded.model, before, digits)
    for secret in ("000", "471", "038", "999"):
        ids = [*before, *(digits[int(digit)] for digit in secret)]
        with torch.no_grad():
            predicted = loaded.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        alone = sum(float(predicted[len(before) - 1 + place, ids[len(before) + place]]) for place in range(3))
        assert float(values.flatten()[int(secret)]) == pytest.approx(alone, abs=1e-3)


def test_canaries_have_names_and_secrets_of_their_own():
    made = canaries.make_canaries(5)
    assert len(made) == 60
    assert len({each.name for each in made}) == len({each.secret for each in made}) == 60
    assert all(len(each.secret) == 3 and each.secret.isdigit() for each in made)
    assert [sum((each.part, each.repeats) == ("target", count) for each in made) for count in (1, 4, 16, 64)] == [5] * 4
    assert canaries.make_canaries(5) == made
    assert canaries.make_canaries(5, seed=1) != made


def test_five_hundred_targets_have_names_of_their_own_and_share_secrets_evenly():
    assert len({each.name for each in canaries.make_canaries(25)}) == 300
    made = canaries.make_canaries(125)
    assert len({each.name for each in made}) == 1500
    assert sum(each.part == "target" for each in made) == 500
    assert max(Counter(each.secret for each in made).values()) == 2
    with pytest.raises(ValueError, match="at most 130 per cell"):
        canaries.make_canaries(131)


def test_a_completion_holds_the_secret_and_what_the_model_reads(loaded):
    canary = canaries.make_canaries(1)[0]
    text = canaries.completion_of(loaded.tokenizer, canary)
    assert loaded.tokenizer.decode(text.token_ids) == f"{canary.name}'s locker code is {canary.secret}"
    assert loaded.tokenizer.decode([text.token_ids[place] for place in text.positions]) == canary.secret


def test_padding_does_not_count_in_the_loss(loaded):
    short, long = [37, 82, 90], [59, 65, 282, 80, 31]
    with torch.no_grad():
        both = float(run.batch_loss(loaded.model, [short, long]))
        each = [float(run.batch_loss(loaded.model, [row])) for row in (short, long)]
    assert both == pytest.approx((2 * each[0] + 4 * each[1]) / 6, rel=1e-4), "mean over 2 and 4 predicted tokens"


def cells_with(erased, drawn, others, losses):
    """One target and one other canary of rank 1, after erasing and after each random draw."""
    made = [{"name": name, "part": part, "repeats": 64} for name, part in (("t", "target"), ("o", "other"))]

    def found(target, other, loss=2.0):
        return {"ranks": {canaries.PROMPT: {"t": target, "o": other}}, "losses": [loss], "neurons": 3}

    draws = {f"erased-0.01-random-{draw}": found(rank, 1) for draw, rank in enumerate(drawn)}
    return {
        "canaries": {"canaries": made},
        "tuned": found(1, 1),
        "erased-0.01": found(erased, others, losses),
        **draws,
    }


@pytest.mark.parametrize(
    ("erased", "drawn", "others", "losses", "met"),
    [
        (100, [2] * 5, 1, 2.0, True),  # from 9.97 to 3.32 bits, random by 1 bit
        (8, [1] * 5, 1, 2.0, False),  # by 3 bits, 30%
        (100, [12] * 5, 1, 2.0, False),  # random by 3.6 of 6.6 bits, more than half
        (100, [2] * 5, 4, 2.0, False),  # others by 2 of 6.6 bits, more than 20%
        (100, [2] * 5, 1, 2.03, False),  # perplexity +3%
        (100, [2] * 4, 1, 2.0, None),  # a draw is missing
    ],
)
def test_the_bar_has_four_parts_and_needs_all_draws(erased, drawn, others, losses, met):
    cells = cells_with(erased, drawn, others, losses)
    assert page.meets_bar(cells, 0.01) is met
    assert page.meets_bar(cells, 0.001) is None


def test_a_change_is_in_bits_and_as_a_share():
    found = page.change(cells_with(100, [], 1, 2.0), "erased-0.01", ["t"])
    assert found is not None
    assert found["value"] == pytest.approx(-log2(100))
    assert found["share"] == pytest.approx(-log2(100) / log2(1000))


def test_the_page_is_that_of_the_committed_results():
    assert page.PAGE.read_text(encoding="utf-8") == page.text()


@pytest.mark.slow
def test_the_small_form_runs_and_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "results"
    for name, value in {"FRACTIONS": (0.01,), "DRAWS": 1, "MEMORISED": 0.0, "TRAINED": 8, "HELD_OUT": 2}.items():
        monkeypatch.setattr(run, name, value)
    paths = ["--texts", "testbed:harmless_exchanges", "--work", tmp_path / "work", "--out", out, "--per-cell", "1"]
    monkeypatch.setattr("sys.argv", ["run.py", "testbed:aligned", *map(str, paths), "--rate", "3e-3"])
    run.main()
    cells = page.read_cells(out)
    assert cells["erased-0.01"]["neurons"] == cells["erased-0.01-random-0"]["neurons"] == 20
    assert cells["erased-0.01"]["by_layer"] == cells["erased-0.01-random-0"]["by_layer"]
    assert len(cells["located"]["targets"]) == 4
    monkeypatch.setattr(run, "measure", None)  # would fail if it were called
    run.main()
    assert page.read_cells(out) == cells
