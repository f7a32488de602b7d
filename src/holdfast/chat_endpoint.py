"""Asks a model behind an OpenAI-compatible chat-completions endpoint, and repeats a request that fails for the moment.

Waiting time: what the server says in Retry-After, else min(60, 2^attempt) seconds times a random share in [0.5, 1]. The
key comes from an environment variable and goes into the request's header. Nothing else that leaves this file holds it.
"""

import importlib.util
import math
import os
import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any

from holdfast.judge.options import EndpointOptions
from holdfast.reachable import why_silent

MAX_BACKOFF = 60.0
MAX_WAIT = 600.0
"""Seconds. If a server asks for a longer wait, the question is given up."""
GIVE_UP = 8
"""Number of unanswered questions in a row after which the endpoint counts as down."""
TRANSIENT = (408, 409, 429)
"""Status codes of failures that may pass, in addition to server errors from 500 on."""


class NoAnswerError(Exception):
    """A question got no answer. The message says why."""


class TransientError(Exception):
    """An attempt failed, but a later one may succeed. Holds the reason and the server's waiting time."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class UnreachableError(TransientError):
    """No connection could be made."""


class ChatEndpoint:
    """A model that answers one question per request. Several threads may ask at once.

    Raises:
        ValueError: the key or the openai package is missing.
    """

    def __init__(
        self, model: str, options: EndpointOptions = EndpointOptions(), sleep: Callable[[float], object] | None = None
    ) -> None:
        self.model = model
        self.options = options
        require_endpoint(options)
        self._key = _key(options.key_variable)
        self._client = _connect(options, self._key)
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._lock = threading.Lock()
        self._sent = 0
        self._unanswered = 0
        self._reached = False
        """True once anything has answered, even with a refusal."""
        self._tried = self._unreachable = False
        """`_tried` is True after a test request that is no question, `_unreachable` if it had no reply."""

    def ask(self, question: str) -> str:
        """Returns the model's answer.

        Raises:
            NoAnswerError: the model gave none after all retries, or the budget of requests is spent.
            ConnectionError: the endpoint refuses the key or the model, or is down.
        """
        self._require_reachable()
        try:
            answer = self._ask_patiently(question)
        except TransientError as error:
            if isinstance(error, UnreachableError) and not self._reached:
                raise self._nothing_answers() from None
            self._note_unanswered(error)
            raise NoAnswerError(str(error)) from None
        self._unanswered = 0
        return self._without_key(answer)

    def _require_reachable(self) -> None:
        """Raises ConnectionError within seconds if nothing replies at all, before the first question is sent."""
        with self._lock:
            if not self._tried:
                self._unreachable, self._tried = why_silent(f"{self.options.base_url}/models") is not None, True
        if self._unreachable:
            raise self._nothing_answers()

    def _nothing_answers(self) -> ConnectionError:
        return ConnectionError(
            f"nothing answers at {self.options.base_url}, where the judge {self.model!r} should be; start its server, "
            "or correct --api.base-url."
        )

    def start(self) -> None:
        """Lets threads wait again after a stop."""
        self._stopped.clear()

    def stop(self) -> None:
        """Makes waiting threads give up."""
        self._stopped.set()

    def _ask_patiently(self, question: str) -> str:
        for attempt in count():
            self._spend()
            try:
                return self._ask_once(question)
            except TransientError as error:
                wait = _backoff(attempt) if error.wait is None else error.wait
                if attempt == self.options.retries or wait > MAX_WAIT or self._stopped.is_set():
                    raise
            self._sleep(wait)
        raise AssertionError("count() does not end")

    def _spend(self) -> None:
        with self._lock:
            if self.options.max_requests is not None and self._sent >= self.options.max_requests:
                raise NoAnswerError(f"the budget of {self.options.max_requests} requests is spent")
            self._sent += 1

    def _note_unanswered(self, error: TransientError) -> None:
        with self._lock:
            self._unanswered += 1
        if self._unanswered >= GIVE_UP:
            raise ConnectionError(
                f"the judge at {self.options.base_url} left {self._unanswered} questions in a row without an answer "
                f"({error}); run the same command again when it is up: holdfast keeps the answers so far."
            )

    def _ask_once(self, question: str) -> str:
        import openai  # optional, and slow to import

        settings: dict[str, float] = {self.options.token_field: self.options.max_answer_tokens}
        if self.options.temperature != "none":
            settings["temperature"] = self.options.temperature
        messages = [{"role": "user", "content": question}]  # no system role: some models have none
        try:
            completion = self._client.chat.completions.create(model=self.model, messages=messages, **settings)
        except openai.APITimeoutError:
            raise TransientError(f"the judge did not answer within {self.options.timeout:g} s") from None
        except openai.APIConnectionError:
            raise UnreachableError("the connection to the judge failed") from None
        except openai.APIStatusError as error:
            self._reached = True
            raise self._refusal(error.status_code, error.response.headers, error.message) from None
        except ValueError:
            self._reached = True
            raise TransientError("the endpoint's reply is not JSON") from None
        self._reached = True
        return _content(completion)

    def _refusal(self, status: int, headers: Any, message: str) -> Exception:
        """Returns the error for a failed status: it concerns this attempt, this question, or all questions."""
        if status == 401:  # the message may hold part of the key
            return ConnectionError(
                f"the judge at {self.options.base_url} refused the key in {self.options.key_variable}; set another."
            )
        reply = " ".join(self._without_key(message).split())[:200]
        if status == 404:
            return ConnectionError(
                f"there is no judge {self.model!r} at {self.options.base_url} ({reply}); check the model's name and "
                "--api.base-url."
            )
        if status in TRANSIENT or status >= 500:
            return TransientError(f"the judge's endpoint failed with {reply}", _retry_after(headers))
        return NoAnswerError(f"the judge's endpoint refused the question with {reply}")

    def _without_key(self, text: str) -> str:
        # A short word is no secret, and may occur by chance.
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


def require_endpoint(options: EndpointOptions) -> None:
    """Raises ValueError if the key or the openai package is missing. Sends no request."""
    _key(options.key_variable)
    if importlib.util.find_spec("openai") is None:
        raise ValueError("a judge behind an API needs the package openai; install it with pip install openai.")


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(
            f"a judge behind an API needs its key in the environment variable {variable}, which is not set; set it, to "
            "any word where the endpoint asks for none, or name another with --api.key-variable."
        )
    return key


def _connect(options: EndpointOptions, key: str) -> Any:
    import openai

    # The client would retry by itself, and these requests would not count in the budget.
    return openai.OpenAI(base_url=options.base_url, api_key=key, timeout=options.timeout, max_retries=0)


def _content(completion: object) -> str:
    """Returns the model's answer. The completion may be anything, since endpoints differ."""
    choices = getattr(completion, "choices", None)
    if not choices:
        raise TransientError("the endpoint's reply holds no answer")
    message = choices[0].message
    if refusal := getattr(message, "refusal", None):
        raise NoAnswerError(f"the judge refused to judge: {str(refusal)[:80]!r}")
    content = getattr(message, "content", None)
    if not isinstance(content, str) or not content.strip():
        raise NoAnswerError(f"the judge's answer is empty (it ended with {choices[0].finish_reason!r})")
    return content


def _backoff(attempt: int) -> float:
    """Returns a random waiting time in seconds, so that threads that failed together do not retry together."""
    return min(MAX_BACKOFF, 2.0**attempt) * random.uniform(0.5, 1)


def _retry_after(headers: Any) -> float | None:
    """Returns the seconds to wait that the server names, as a number or as a date. None if it names neither."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
