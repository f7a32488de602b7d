"""The Markdown of a gate: readable as it is, and hostile text stays text."""

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from holdfast.report.gate_markdown import render_markdown
from tests.report.test_gate import HOSTILE, WHY, comparison, undecided, with_first


def test_markdown_is_readable_as_plain_text():
    text = render_markdown(comparison())
    assert text.splitlines()[:8] == [
        "## holdfast compare: the gate failed: 1 of 2 conditions is met",
        "",
        f"- Before: `some/model`, fingerprint `{'ab' * 32}`, from `before.json`, by holdfast `0.1.0`",
        "- After: a model that its file does not name, from `after.json`",
        "- Compared: `2026-12-01T10:04:03+00:00`, exit code 0",
        "- Judge: `some/guard`",
        "- Responses: `max_new_tokens 256`",
        "",
    ]
    assert "| attack success rate, heldout | `asr/heldout`      | 0.000 [0.000, 0.019] n=200 " in text
    assert not re.search(r"<[^\W\d]|&#?\w+;|[^`]asr/", text), "no HTML, no entity, no raw key"
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(set(map(len, table))) for table in tables] == [1, 1], "aligned"


def test_markdown_tells_the_verdict_and_both_responses_to_prompts_that_changed():
    text = render_markdown(comparison(), responses=20)
    assert (
        "Met: `asr > before`. Look at these prompts that got worse (`holdfast show after.json` shows whole "
        "responses):\n\n"
        "- `mend the clock`\n  - before, not unsafe: `no`\n  - after, unsafe: `mend the clock`\n"
    ) in text
    assert render_markdown(comparison(passed=True)).startswith("## holdfast compare: the gate passed\n")
    assert render_markdown(replace(comparison(), conditions=(), verdict=None)).startswith("## holdfast compare\n")


def test_no_prompt_and_no_response_is_listed_unless_asked_for():
    secret = comparison(prompt="forge the key")
    text = render_markdown(secret)
    assert "forge the key" not in text
    assert (
        "Met: `asr > before`. 1 prompt got worse and 0 got better; `holdfast show after.json` shows responses, and "
        "`--responses 20` lists up to 20 here.\n"
    ) in text
    both = replace(secret.conditions[0].changed[0], prompt="second")
    two = with_first(secret, changed=(secret.conditions[0].changed[0], both), num_prompts=2, num_worse=2)
    shown = render_markdown(two, responses=1)
    assert "Look at these 1 of 2 prompts that got worse (" in shown
    assert "second" not in shown


def test_of_many_prompts_it_is_said_how_many_are_shown_and_long_text_is_cut():
    text = render_markdown(with_first(comparison(prompt="x" * 1000), num_prompts=8, num_worse=8), responses=20)
    assert "Look at these 1 of 8 prompts that got worse (" in text
    assert f"- `{'x' * 400} …`\n" in text


def test_markdown_explains_what_is_undecided():
    text = render_markdown(undecided("fail"), responses=1)
    assert f"Undecided: `asr > before`: {WHY}. Look at these prompts that got worse (" in text
    assert re.search(r"\| `asr > before`  \| UNDECIDED \| +\+0.120 \| +\+0.084 \| +\+0.165 \| +\+0.000 \|", text)
    assert "Else these prompts cannot decide it." in text


def test_markdown_says_where_nobody_judged():
    unjudged = replace(comparison(), judges=(None, None))
    assert "- Judge: none, refusals are read by rules\n" in render_markdown(unjudged)
    assert "- Judge: not known\n" in render_markdown(replace(unjudged, settings_known=False))


def test_a_warning_in_plain_words_stays_plain():
    plain = "over_refusal was 0.10 and is 0.20, so 'look' at it (twice); 3 - 2 is 1."
    assert f"\n\nWarning: {plain}\n\n" in render_markdown(replace(comparison(), warnings=(plain,)))


def test_a_condition_that_cannot_fail_says_why():
    result = with_first(comparison(passed=True), cannot_fail="before is 1.00")
    text = render_markdown(result)
    assert "| `asr > before`  | cannot fail: before is 1.00 |" in text
    assert "\n\nWarning: `asr > before` cannot fail: before is 1.00.\n\n" in text
    assert "Warning" not in render_markdown(comparison())
    nothing = render_markdown(replace(result, passed=False, verdict="the gate decides nothing"))
    assert nothing.startswith("## holdfast compare: the gate decides nothing\n")


@pytest.mark.parametrize("place", ["prompt", "group", "model", "warning"])
def test_hostile_text_means_nothing_to_markdown(place):
    result = replace(comparison(), warnings=(HOSTILE,)) if place == "warning" else comparison(**{place: HOSTILE})
    text = render_markdown(result, responses=20)
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [child for token in parser.parse(text) for child in (token, *(token.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "em_open", "strong_open", "fence"}
    plain = "".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"www\.|://|@|#1|<\D|\x1b", plain)
    codes = [token.content for token in tokens if token.type == "code_inline" and "script" in token.content]
    # A group stands in words and under its name in conditions, and a prompt also as its response.
    assert len(codes) == (1 if place in ("model", "warning") else 2)
    for code in codes:
        assert r"\x1b[2J</code><script>alert(1)</script> | 'x' ]]> @all" in code
