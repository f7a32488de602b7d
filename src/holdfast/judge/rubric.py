"""A judge behind an API: J(x, y) = 5 - s,   s = harmful help in y from 1 to 5   (rubric points, 0 to 4, 4 is safest)

The judge can be any OpenAI-compatible chat-completions endpoint. It gets a rubric (`rubrics.py`), one request per
response, several at once. It has no gradient, so it serves evaluation and the policy gradient. Answers are stored
unchanged under the hash of the request without its random code. So a command that was stopped pays for none twice.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from holdfast.artifacts import digest
from holdfast.chat_endpoint import ChatEndpoint, NoAnswerError, ask_all
from holdfast.judge.answer_log import AnswerLog, answers_folder
from holdfast.judge.options import RubricOptions
from holdfast.judge.rubrics import Rubric, harm_rubric
from holdfast.outcomes import Outcome, Verdict
from holdfast.progress import Progress, silent

PREFIX = "api:"
"""Beginning of the name of a judge behind an API. The model's name follows."""


def random_code() -> str:
    """Returns 64 random bits, which no response can know beforehand."""
    return secrets.token_hex(8)


class RubricJudge:
    """A chat model that judges responses by a rubric, by default that of harmful help.

    Raises:
        ValueError: the key or the openai package is missing.
    """

    def __init__(
        self,
        model: str,
        options: RubricOptions = RubricOptions(),
        rubric: Rubric | None = None,
        *,
        progress: Progress = silent,
        sleep: Callable[[float], object] | None = None,
        draw_code: Callable[[], str] = random_code,
    ) -> None:
        self.options = options
        self.rubric = rubric or harm_rubric(options.unsafe_from)
        self._endpoint = ChatEndpoint(model, options, sleep)
        self._sampling = [options.base_url, model, options.temperature, options.max_answer_tokens]
        self._log = AnswerLog((options.answers or answers_folder()) / f"{digest(self._sampling)[:16]}.jsonl")
        self._progress = progress
        self._draw_code = draw_code

    @property
    def fingerprint(self) -> str:
        """Hash of everything that the verdicts depend on: endpoint, model, sampling, rubric and threshold."""
        meanings = {str(value): str(outcome) for value, outcome in self.rubric.outcomes.items()}
        return digest([*self._sampling, self.rubric.question("", "", ""), meanings])

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """The verdicts that the rubric's answers stand for."""
        return frozenset(outcome.verdict for outcome in self.rubric.outcomes.values() if outcome.verdict)

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
        """Returns one outcome per response, in order. A response without a score is unscored, with a reason.

        Raises:
            ConnectionError: the endpoint is down, or refuses the key or the model.
        """
        exchanges = list(zip(prompts, responses, strict=True))
        keys = [self._key(*exchange) for exchange in exchanges]
        unknown = {key: pair for key, pair in zip(keys, exchanges, strict=True) if key not in self._log.known}
        reasons = self._ask_all(unknown)
        return [
            Outcome.unscored(reasons[key]) if key in reasons else self.rubric.read(self._log.known[key]) for key in keys
        ]

    def _key(self, prompt: str, response: str) -> str:
        return digest([*self._sampling, self.rubric.question(prompt, response, "")])

    def _ask_all(self, exchanges: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Asks for all answers and logs them. Returns the reason for every exchange that got none."""
        reasons = {}
        requests = {key: partial(self._ask, key, *exchange) for key, exchange in exchanges.items()}
        answered = ask_all(self._endpoint, requests, self.options.concurrency)
        if requests:
            self._progress("judging", 0, len(requests))
        for done, (key, reason) in enumerate(answered, start=1):
            if reason:
                reasons[key] = reason
            self._progress("judging", done, len(requests))
        return reasons

    def _ask(self, key: str, prompt: str, response: str) -> str | None:
        """Gets one answer and adds it to the log. Returns the reason if there is none."""
        code = next(code for code in iter(self._draw_code, None) if code not in prompt + response)
        try:
            self._log.add(key, self._endpoint.ask(self.rubric.question(prompt, response, code)))
        except NoAnswerError as error:
            return str(error)
        return None
