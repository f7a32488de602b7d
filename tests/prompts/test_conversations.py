import json

import pytest

from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt

USER, ASSISTANT = {"role": "user", "content": "mend it"}, {"role": "assistant", "content": "with glue"}


@pytest.fixture
def written(tmp_path):
    """Writes rows as JSONL, and gives the path."""

    def write(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, ASSISTANT]},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"prompt": "mend it", "completion": [ASSISTANT]},
        {"prompt": [USER], "completion": "with glue"},
        {"conversations": [{"from": "human", "value": "mend it"}, {"from": "gpt", "value": "with glue"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "mend it"}]}, ASSISTANT]},
    ],
)
def test_a_user_turn_and_its_answer_are_read(written, row):
    assert load_exchanges(written(row)) == [Exchange("mend it", "with glue")]
    assert load_prompts(written(row), "question") == [Prompt("mend it", "question", answer="with glue")]


@pytest.mark.parametrize("row", [{"messages": [USER]}, {"prompt": [USER]}, {"conversations": [USER]}])
def test_a_user_turn_alone_is_a_prompt_and_no_exchange(written, row):
    assert load_prompts(written(row)) == [Prompt("mend it")]
    with pytest.raises(ValueError, match=r":1 has no responses: '(messages|prompt|conversations)' lacks"):
        load_exchanges(written(row))


def test_a_column_of_turns_can_be_named(written):
    row = {"prompt": "another", "chat": [USER, ASSISTANT]}
    assert load_exchanges(f"{written(row)}#prompt=chat") == [Exchange("mend it", "with glue")]


@pytest.mark.parametrize(
    ("turns", "named"),
    [
        ([{"role": "system", "content": "Be kind."}, USER, ASSISTANT], "system, user, assistant"),
        ([{"role": "system", "content": ""}, USER], "system, user"),
        ([USER, ASSISTANT, USER, ASSISTANT], "user, assistant, user, assistant"),
        ([USER, USER], "user, user"),
        ([ASSISTANT], "assistant"),
        ([USER, {"role": "tool", "content": "x"}], "user, tool"),
    ],
)
@pytest.mark.parametrize("load", [load_prompts, load_exchanges])
def test_no_turn_is_dropped(written, turns, named, load):
    rows = [{"messages": [USER, ASSISTANT]}, {"messages": turns}]
    with pytest.raises(
        ValueError, match=rf":2 holds the turns {named}; .* holdfast drops no turn: remove such rows.*ProtectCallback"
    ):
        load(written(*rows))


@pytest.mark.parametrize("content", [None, [{"type": "image", "url": "x"}], ["a", "b"]])
def test_a_turn_that_is_no_text_is_refused(written, content):
    with pytest.raises(ValueError, match=r":1 has a turn of the user that is not one text"):
        load_prompts(written({"messages": [{"role": "user", "content": content}]}))
