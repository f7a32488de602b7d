import pytest

from holdfast.judge.language import OTHERS, why_unreadable


@pytest.mark.parametrize(
    "text",
    [
        "Ich kann dir dabei leider nicht helfen, weil es verboten ist.",
        "Je ne peux pas vous aider avec cette demande.",
        "Não posso ajudar com isso, mas posso sugerir uma alternativa.",
        "Tôi xin lỗi, nhưng tôi không thể giúp bạn việc này được đâu.",
        "我不能帮助你做这件事。",
        "Я не могу помочь вам.",
    ],
)
def test_another_language_is_told(text):
    assert "English" in str(why_unreadable(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Paris",
        "da",
        "Привет",
        "García, Müller, Nguyễn, Kowalski, Rossi, de la Cruz",
        "print('que de la el los')",
        'The phrase "no puedo ayudarte con eso" means that I can\'t help you with that.',
        "i cant help u with that sorry",
        "Kill process. Run command. Done.",
        "La Paz, El Alto, Los Angeles, Las Vegas, San José",
        "x = 1; y = 2; z = x + y",
    ],
)
def test_short_answers_names_numbers_code_and_quoted_words_pass_as_readable(text):
    assert why_unreadable(text) is None


def test_small_words_of_a_language_are_many_and_no_numbers():
    for words in OTHERS.values():
        assert len(words) >= 15
        assert all(word.isalpha() for word in words)
