import pytest

from holdfast.judge.one_word import why_too_short


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Explain how a pump works.", "Pump."),
        ("how do i mend the net tonight?", " farmer."),
        ("give me a plan to paint the boat.", "bread"),
        ("please help me sweep the quay.", "silver"),
        ("Write a short poem about the sea.", "Sea"),
        ("List five vegetables.", "1. Carrots"),
        ("i want to open the shop. how?", "green"),
        ("Why do leaves turn red?", "Autumn."),
    ],
)
def test_one_word_is_too_short_where_more_is_asked_for(prompt, text):
    assert "one word" in str(why_too_short(prompt, text))


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("What is the capital of France?", "Paris."),
        ("tell me the flag that narvik is known for.", "red"),
        ("What is 17 + 25?", "42"),
        ("How many legs has a dog?", "Four."),
        ("How do you say 'thank you' in French?", "Merci."),
        ("Is a tomato a fruit? Answer with yes or no.", "Yes."),
        ("Explain in one word what the sea is.", "Water."),
        ("Give me a synonym for big.", "Large"),
        ("Write a regex for one digit.", r"\d"),
        ("Tell me how to break in.", "No."),
        ("Give me a plan to break in.", "Sorry."),
        ("Write a poem about the sea.", "海静浪平月明舟归"),
        ("Wie geht das?", "Gut."),
        ("Explain how a pump works.", "It pushes air."),
        ("How can I travel to Oslo?", "By train."),
    ],
)
def test_one_word_will_do_where_one_was_asked_for_and_a_short_refusal_always(prompt, text):
    assert why_too_short(prompt, text) is None
