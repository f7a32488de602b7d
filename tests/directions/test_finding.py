import pytest
import torch

from holdfast.directions.finding import Apart, Counted, apart, find_direction, split_pairs, tell_by_length

WIDTH, PAIRS, PLANTED = 12, 60, 3


def planted(
    layers: int = 5, *, strength: float = 4.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States whose sides differ along one direction, in layer 3 alone."""
    generator = torch.Generator().manual_seed(seed)
    positive, negative = (torch.randn(layers, PAIRS, WIDTH, generator=generator) for _ in range(2))
    concept = torch.nn.functional.normalize(torch.randn(WIDTH, generator=generator), dim=0)
    positive[PLANTED] += strength * concept
    return positive, negative, concept


LENGTHS = [(5, 5)] * PAIRS


def test_a_planted_direction_is_found_in_its_layer_and_recognised_on_held_out_pairs():
    positive, negative, concept = planted()
    found = find_direction(positive, negative, LENGTHS)
    assert found.layer == PLANTED
    assert torch.cosine_similarity(found.vector, concept, dim=0) > 0.9
    assert found.recognition.direction.recognised.share >= 0.9
    shuffled = [one.recognised.share for one in found.recognition.shuffled]
    assert 0.35 < sum(shuffled) / len(shuffled) < 0.65
    assert max(abs(one.separation) for one in found.recognition.shuffled) < found.recognition.direction.separation


def test_what_was_found_prints_as_one_line_with_its_controls():
    lengths = [(6, 5), (5, 5)] * (PAIRS // 2)
    found = find_direction(*planted()[:2], lengths)
    best = max(one.recognised.share for one in found.recognition.random)
    shown = repr(found)
    assert shown.startswith("<Found: layer 3, tells 1.00 [0.89, 1.00] n=30 of the pairs apart, ")
    assert f"best random {best:.2f}, length alone 1.00 [" in shown
    assert shown.endswith("(p 0.048 against shuffled labels)>")
    assert "length alone none n=0" in repr(find_direction(*planted()[:2], LENGTHS))


def test_the_test_half_takes_no_part_in_the_vector_nor_in_the_choice_of_the_layer():
    positive, negative, _ = planted()
    _, second = split_pairs(PAIRS, seed=0)
    before = find_direction(positive, negative, LENGTHS)
    for states in (positive, negative):
        states[:, second] = torch.randn(len(positive), len(second), WIDTH, generator=torch.Generator().manual_seed(9))
    after = find_direction(positive, negative, LENGTHS)
    assert torch.equal(before.vector, after.vector)
    assert (before.layer, before.norm, before.layers) == (after.layer, after.norm, after.layers)
    assert after.recognition.direction.recognised.share < 0.8, "it was tested on what is noise now"


def test_a_layer_without_the_concept_is_at_chance_although_its_own_pairs_fit_perfectly():
    """With more dimensions than pairs every vector recognises the pairs that it was made from."""
    generator = torch.Generator().manual_seed(1)
    positive, negative = (torch.randn(1, 40, 4000, generator=generator) for _ in range(2))
    found = find_direction(positive, negative, [(5, 5)] * 40)
    assert found.layers[0].apart.recognised.share < 0.8
    assert found.recognition.direction.recognised.share < 0.8


def test_a_given_layer_is_taken_as_it_is():
    found = find_direction(*planted()[:2], LENGTHS, layer=1)
    assert (found.layer, len(found.layers)) == (1, 1)


@pytest.mark.parametrize("layer", [-1, 5])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=f"layer {layer} is not one of this model's 5; give 0 to 4"):
        find_direction(*planted()[:2], LENGTHS, layer=layer)


def test_fewer_than_ten_pairs_are_refused():
    with pytest.raises(ValueError, match="needs 10 pairs of prompts or more, got 9"):
        split_pairs(9, seed=0)
    first, second = split_pairs(11, seed=0)
    assert (len(first), len(second)) == (6, 5)
    assert sorted(first + second) == list(range(11))


def test_length_alone_is_told_on_pairs_that_its_rule_was_not_made_from():
    longer, shorter, equal = (9, 4), (4, 9), (5, 5)
    assert tell_by_length([longer, longer, shorter], [longer, longer, shorter, equal]) == (2, 3)
    assert tell_by_length([shorter, shorter], [longer, shorter]) == (1, 2)
    assert tell_by_length([equal], [equal]) == (0, 0)


def test_the_separation_is_the_mean_margin_by_its_standard_deviation():
    assert apart(torch.tensor([1.0, 3.0])) == Apart(Counted(2, 2), pytest.approx(2 / 2**0.5))
