"""What a reasoning model thinks is not judged, so its tokens gain nothing."""

import pytest
import torch

from holdfast.judge.model_judge import ResponseGradient
from holdfast.models.response_log import Response
from holdfast.objective.gains import JudgeGains
from tests.tiny import make_tokenizer


class CharacterJudge:
    """Has a gradient at every character: its position in what the judge was shown, counted from 1."""

    def __init__(self):
        self.shown = []

    def response_gradients(self, prompts, responses):
        self.shown += responses
        return [
            ResponseGradient(
                0.5,
                torch.arange(1.0, len(text) + 1)[:, None],
                [(place, place + 1) for place in range(len(text))],
            )
            for text in responses
        ]

    def embed_strings(self, strings):
        return torch.zeros(len(strings), 1)


@pytest.mark.parametrize(
    ("thoughts", "opened"), [("<think>hm</think>\n\n", ""), ("hm</think>", "<think>\n"), ("", ""), ("hm</think> ", "")]
)
def test_the_judge_reads_what_is_said_and_its_gradient_lies_on_those_tokens_alone(thoughts, opened):
    tokenizer, judge = make_tokenizer(), CharacterJudge()
    ids = [tokenizer(part)["input_ids"] for part in (thoughts, "mend it")]
    response = Response("a", [], ids[0] + ids[1], thoughts + "mend it", finished=True, opened=opened)
    (judged,) = JudgeGains(judge, tokenizer).judge([response])
    assert judge.shown == ["mend it"]
    assert not judged.gradients[: len(ids[0])].any()
    assert judged.gradients[len(ids[0]) :].sum() == sum(range(1, len("mend it") + 1))
    assert bool((judged.gradients[len(ids[0]) :] > 0).all())


def test_a_response_of_thoughts_alone_gains_nothing():
    tokenizer = make_tokenizer()
    ids = tokenizer("<think>hm")["input_ids"]
    (judged,) = JudgeGains(CharacterJudge(), tokenizer).judge([Response("a", [], ids, "<think>hm", finished=False)])
    assert not judged.gradients.any()
    assert len(judged.gradients) == len(ids)
