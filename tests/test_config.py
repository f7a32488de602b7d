import re

import pytest

from holdfast.config import Names, Options, split
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.models.options import GenerateOptions
from holdfast.wrong_options import OptionsError


class Lists(Options):
    layers: tuple[int, ...] = ()
    some: tuple[int, ...] | None = None
    ratios: tuple[float, ...] = ()
    names: Names = ()
    files: tuple[str, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)


@pytest.mark.parametrize(
    ("given", "layers"),
    [
        (("10-12",), (10, 11, 12)),
        (("10,11", "3"), (10, 11, 3)),
        (["1, 4-5"], (1, 4, 5)),
        (("7-7",), (7,)),
        ((1, 2), (1, 2)),
        ((), ()),
    ],
)
def test_whole_numbers_come_alone_in_lists_and_in_ranges(given, layers):
    assert Lists(layers=given).layers == layers
    assert Lists(some=given).some == layers


@pytest.mark.parametrize("wrong", ["12-10", "a-b", "1,,2", "-", "1-2-3", "1.5-2"])
def test_what_is_no_number_and_no_range_is_refused(wrong):
    with pytest.raises(OptionsError, match="give a whole number"):
        Lists(layers=(wrong,))


def test_numbers_and_names_are_parted_at_commas_and_files_and_pairs_are_not():
    given = Lists(ratios=("0.38,1", "2e0"), names=("q_proj,v_proj", "o_proj"), files=("a,b.csv",), pair=(1, 2))
    assert given.ratios == (0.38, 1.0, 2.0)
    assert given.names == ("q_proj", "v_proj", "o_proj")
    assert given.files == ("a,b.csv",)
    assert given.pair == (1.0, 2.0)
    assert Lists(ratios=("-1",)).ratios == (-1.0,)
    with pytest.raises(OptionsError):
        Lists(ratios=("1-2",))  # a range of fractions has no next one


def test_parts_of_a_list_lose_their_blanks():
    assert split(" a , b") == ["a", "b"]
    assert split("1-3", [int]) == ["1", "2", "3"]
    assert split("1-3", [float]) == ["1-3"]


def test_an_option_without_its_name_is_refused_with_the_name_of_the_first():
    for kind, name in ((GenerateOptions, "max_new_tokens"), (Lists, "layers")):
        with pytest.raises(ValueError, match=rf"{kind.__name__} takes its options by name, got 16 .*\({name}=\.\.\.\)"):
            kind(16)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"iterations": "20"}, "iterations is '20'; input should be a whole number, not text"),
        ({"learning_rate": "3e-5"}, "learning_rate is '3e-5'; input should be a number, not text"),
        ({"micro_batch_size": "2"}, "micro_batch_size is '2'; input should be a whole number, not text"),
        ({"shard": "yes"}, "shard is 'yes'; input should be True or False, not text"),
        ({"lora": {"rank": "8"}}, "lora.rank is '8'; input should be a whole number, not text"),
    ],
)
def test_a_call_refuses_text_for_a_number_and_a_config_may_give_it(given, sentence):
    with pytest.raises(OptionsError, match=f"^AdaptOptions: {re.escape(sentence)}.$"):
        AdaptOptions(**given)
    assert AdaptOptions.model_validate(given)


def test_a_call_may_give_text_where_text_is_allowed_and_numbers_of_another_type():
    assert AdaptOptions(scheduler="linear", learning_rate=1e-3, freeze=("head",)).learning_rate == 0.001
    with pytest.raises(OptionsError, match=r"preferences is '0.5'; give a list"):
        MethodOptions(preferences="0.5")
    assert AdaptOptions(micro_batch_size=None, iterations=20.0).iterations == 20
