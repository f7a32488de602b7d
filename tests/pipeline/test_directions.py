"""Directions on files: found, tested on other prompts, and refused where they can't mean anything."""

import pytest
import torch

from holdfast.artifacts import load_direction, save_direction
from holdfast.cli import call
from holdfast.models.load import load_model
from holdfast.pipeline.directions import (
    find_direction,
    load_pairs,
    recognise_on_files,
    transplant_on_files,
    warn_of_random,
)
from holdfast.values import Direction

MODEL, HARMFUL, HARMLESS = "testbed:aligned", "testbed:harmful_calibration#first=24", "testbed:harmless#first=24"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("found") / "direction.safetensors"
    return path, *find_direction(MODEL, HARMFUL, HARMLESS, path)


def test_a_direction_is_found_saved_and_loaded_with_what_made_it(found):
    path, direction, _ = found
    assert load_direction(path) == direction
    assert direction.base == load_model(MODEL).base
    assert direction.made_by["positive"]["count"] == 24
    assert direction.made_by["recognised"]["direction"]["recognised"] == [12, 12]


def test_it_is_tested_on_prompts_that_did_not_make_it(found):
    tested = recognise_on_files(MODEL, found[0], "testbed:harmful_heldout#first=40", "testbed:borderline#first=40")
    assert tested.recognised.n == 40
    assert tested.recognised.value >= 0.9
    assert tested.separation > 1
    shares = {name: [one.recognised.share for one in getattr(tested, name)] for name in ("shuffled", "random")}
    assert all(len(draws) == 20 and 0.2 < sum(draws) / 20 < 0.8 for draws in shares.values()), "chance is 0.5"


def test_a_test_prints_its_controls_and_of_few_pairs_there_are_none(found, capsys):
    sets = ["--positive", "testbed:harmful_heldout#first={}", "--negative", "testbed:borderline#first={}"]
    for count, lines in ((12, 3), (6, 1)):
        arguments = [argument.format(count) for argument in sets]
        assert call(["direction", "test", MODEL, str(found[0]), *arguments]) == 0
        assert capsys.readouterr().out.count("control: ") == lines


def test_a_direction_is_replaced_only_where_that_is_wanted(found, tmp_path):
    path = tmp_path / "direction.safetensors"
    path.write_bytes(found[0].read_bytes())
    with pytest.raises(ValueError, match="exists already"):
        find_direction(MODEL, HARMFUL, HARMLESS, path, layer=1)
    direction, _ = find_direction(MODEL, HARMFUL, HARMLESS, path, layer=1, overwrite=True)
    assert load_direction(path) == direction != found[1]


def test_finding_says_what_p_compares_and_why_the_control_by_length_has_fewer_pairs(tmp_path, capsys):
    sides = ["--positive", HARMFUL, "--negative", HARMLESS]
    assert call(["direction", "find", MODEL, *sides, "--out", str(tmp_path / "direction.safetensors")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "p compares the mean / spread of the margin with that of shuffled labels, and not the share" in printed
    assert "Pairs of equal length show nothing about length" in printed


def test_prompts_that_made_it_do_not_test_it(found):
    with pytest.raises(ValueError, match=r"24 of these prompts made the direction .* or chose its layer"):
        recognise_on_files(MODEL, found[0], HARMFUL, "testbed:borderline#first=24")


def test_a_direction_of_another_model_is_refused(found):
    with pytest.raises(ValueError, match="was made for another model"):
        recognise_on_files("testbed:unaligned", found[0], "testbed:harmful_heldout", "testbed:borderline")


def test_sets_are_paired_in_order_and_may_share_no_prompt(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("\n".join(f"harm {number}" for number in range(12)))
    (tmp_path / "b.txt").write_text("\n".join(f"good {number}" for number in range(10)))
    pairs = load_pairs(str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert (len(pairs), pairs.texts[0], pairs.texts[10]) == (10, "harm 0", "good 0")
    assert "has 12 prompts: the first 10 are used" in caplog.text
    (tmp_path / "b.txt").write_text("good\nharm 3")
    with pytest.raises(ValueError, match="have 1 prompt in common, such as 'harm 3'; leave each out of one"):
        load_pairs(str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))


def test_sides_that_length_tells_apart_are_warned_of(tmp_path, caplog):
    (tmp_path / "long.txt").write_text("\n".join(f"how do i mend the old clock {number} ?" for number in range(20)))
    (tmp_path / "short.txt").write_text("\n".join(f"how {number} ?" for number in range(20)))
    find_direction(
        MODEL, str(tmp_path / "long.txt"), str(tmp_path / "short.txt"), tmp_path / "out.safetensors", layer=2
    )
    assert "the number of tokens alone tells 100% of the pairs apart" in caplog.text


def test_a_direction_like_those_of_shuffled_labels_is_warned_of(found, tmp_path, caplog):
    _, made, _ = found
    assert made.made_by["recognised"]["p_shuffled"] <= 0.05
    assert "not distinguishable" not in caplog.text
    prompts = [f"how do i mend the old clock {number} ?" for number in range(40)]
    (tmp_path / "a.txt").write_text("\n".join(prompts[::2]))
    (tmp_path / "b.txt").write_text("\n".join(prompts[1::2]))
    by_chance, _ = find_direction(
        MODEL, str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), tmp_path / "out.safetensors", layer=2
    )
    assert by_chance.made_by["recognised"]["p_shuffled"] > 0.05
    assert "the direction is not distinguishable from shuffled labels: it tells" in caplog.text


def at(count, separation, n=20):
    return {"recognised": [count, n], "separation": separation}


@pytest.mark.parametrize(
    ("random", "warned"),
    [([at(12, 0.2), at(19, -0.9)], True), ([at(20, 0.9)], True), ([at(18, 0.9)], False), ([], False)],
)
def test_random_directions_that_tell_as_many_pairs_apart_are_warned_of(random, warned, caplog):
    warn_of_random(at(19, 2.5), random)
    assert bool(caplog.messages) == warned
    if warned:
        most = max(one["recognised"][0] for one in random)
        assert caplog.messages == [
            f"a random direction tells {most} of 20 tested pairs apart, and the direction 19, so the share alone "
            "shows nothing; compare the mean / spread of the margin, which is 2.50, and up to 0.90 for random "
            "directions."
        ]


def test_too_few_pairs_are_refused_before_the_model_is_read(tmp_path):
    with pytest.raises(ValueError, match="a direction needs 10 pairs of prompts or more, got 9; 60 pairs give"):
        find_direction("no-such-model", "testbed:harmful_seen#first=9", HARMLESS, tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--positive", "testbed:harmful_seen#first=9", "--negative", "testbed:harmless"],
            "10 pairs of prompts or more",
        ),
        (["--positive", HARMFUL, "--negative", HARMLESS, "--layer", "99"], "layer 99 is not one of this model's 8"),
        (["--positive", HARMFUL, "--negative", HARMFUL], "both sides are the same set"),
        (["--positive", HARMFUL], "--negative is missing"),
        (["--positive", HARMFUL, "--negative", "none.txt"], "'none.txt' does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, capsys):
    assert call(["direction", "find", MODEL, *arguments, "--out", str(tmp_path / "new.safetensors")]) == 2
    said = capsys.readouterr()
    assert sentence in said.err.splitlines()[-1]
    assert said.out == ""
    assert not (tmp_path / "new.safetensors").exists()


def test_a_direction_without_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the positive and the negative prompts may be the same"):
        Direction(torch.zeros(4), 0, 1.0, "base")
    with pytest.raises(ValueError, match="Direction was expected"):
        save_direction(tmp_path / "d.safetensors", torch.ones(4))


def test_show_says_where_it_was_found_and_draws_no_picture(found, capsys):
    assert call(["show", str(found[0])]) == 0
    told = capsys.readouterr().out
    assert "testbed:harmful_calibration" in told
    assert str(found[1].layer) in told
    assert call(["show", str(found[0]), "--out", "map.svg"]) == 2
    assert "a direction has a page and no figure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sets", "as_text"),
    [
        (("testbed:questions_calibration#first=100",), True),
        (("testbed:harmful_development#first=50", "testbed:harmless#last=50"), False),
    ],
)
def test_a_direction_carried_into_another_model_recognises_there_what_it_recognised(found, tmp_path, sets, as_text):
    out = tmp_path / "carried.safetensors"
    carried, fitted = transplant_on_files(MODEL, "testbed:aligned-moe", found[0], sets, out, as_text=as_text)
    assert load_direction(out) == carried
    assert carried.base == load_model("testbed:aligned-moe").base
    assert carried.made_by["direction"]["layer"] == found[1].layer
    best = max(fitted, key=lambda one: one.explained)
    assert best.layer == carried.layer
    assert best.explained > 0.3
    assert best.shuffled < 0.1


def test_a_transplant_takes_the_directions_own_model(found, tmp_path):
    with pytest.raises(ValueError, match="was made for another model"):
        transplant_on_files("testbed:unaligned", MODEL, found[0], ["testbed:questions"], tmp_path / "out.safetensors")
