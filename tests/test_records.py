from holdfast.records import Exchange, Prompt, distinct


def test_the_first_of_every_text_is_kept_in_order_and_repeats_are_given_with_it():
    first, again = Prompt("a", group="x"), Prompt(" a\n", group="y")
    repeats = []
    assert list(distinct([first, Prompt("b"), again, Prompt("A")], repeats)) == [first, Prompt("b"), Prompt("A")]
    assert repeats == [(again, first)]


def test_an_object_that_is_listed_twice_is_a_repeat():
    prompt = Prompt("a")
    assert list(distinct([prompt, prompt])) == [prompt]


def test_exchanges_repeat_where_both_texts_do():
    exchanges = [Exchange("a", "b"), Exchange("a", "c"), Exchange("a", "b ")]
    assert list(distinct(exchanges)) == exchanges[:2]
