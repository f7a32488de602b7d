from holdfast.judge.excerpt import GAP, prompt_excerpt, response_excerpt


def words(first: int, last: int) -> str:
    return " ".join(f"w{place}" for place in range(first, last + 1))


def test_a_short_text_is_read_as_it_is():
    assert response_excerpt("No.\n\n1. Never.") == "No.\n\n1. Never."
    assert prompt_excerpt(words(1, 40)) == words(1, 40)
    assert response_excerpt("") == ""


def test_of_a_long_response_the_beginning_and_the_end_are_read():
    assert response_excerpt(words(1, 300)) == words(1, 70) + GAP + words(281, 300)
    assert response_excerpt(words(1, 90)) == words(1, 90)
    assert response_excerpt("a\n\n" + words(1, 300)).startswith("a\n\nw1 ")


def test_of_a_long_prompt_the_end_is_read():
    assert prompt_excerpt(words(1, 300)) == GAP + words(261, 300)
