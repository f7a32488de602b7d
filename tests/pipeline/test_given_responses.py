"""Responses that are given: read line by line, whatever their text holds."""

import json
from dataclasses import asdict

from holdfast.models.response_log import Response
from holdfast.pipeline.given_responses import read_responses


def test_a_separator_of_lines_within_a_response_is_text(tmp_path):
    response = Response("a", [1], [2], "one\u2028two\x85three", finished=True)
    path = tmp_path / "responses.jsonl"
    path.write_text(json.dumps(asdict(response), ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_responses(path) == [response]
