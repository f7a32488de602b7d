"""Items without an objective: two halves for a score without prompts, and responses that are not differentiated."""

import pytest

from holdfast.models.response_log import Response
from holdfast.objective.no_objective import of_responses, without_prompts


def test_items_without_prompts_are_two_that_differ_and_depend_on_the_seed():
    prompts = [item.prompt for item in without_prompts(0).completions]
    assert len(set(prompts)) == 2
    assert set(prompts).isdisjoint(item.prompt for item in without_prompts(1).completions)


def test_responses_count_by_their_tokens_and_have_no_gradient():
    response = Response(prompt="a", text="b", prompt_ids=[1, 2], token_ids=[3], finished=True)
    items = of_responses([response])
    assert (items.completions[0].token_ids, items.completions[0].positions) == ([1, 2, 3], [2])
    assert items.describe() == {}
    with pytest.raises(ValueError, match="no objective to differentiate"):
        items.contributions(None, [0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="none of 0 responses has a token"):
        of_responses([])
