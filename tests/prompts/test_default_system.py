import pytest

from holdfast.prompts.default_system import default_system_prompt
from tests.tiny import make_tokenizer

TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DEFAULT = "{% if messages[0].role != 'system' %}<|system|>You are helpful.\n{% endif %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"


@pytest.mark.parametrize(
    ("template", "system"),
    [
        (DEFAULT + TURNS, "You are helpful."),
        (TURNS, None),
        (NO_SYSTEM + TURNS, None),
        ("<|system|>Today is Friday.\n" + TURNS, None),
        (None, None),
    ],
    ids=["default", "none", "refuses", "always", "plain"],
)
def test_a_system_prompt_that_the_template_puts_in_is_found(template, system):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    assert default_system_prompt(tokenizer) == system
