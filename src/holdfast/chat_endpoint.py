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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, TypeVar

from holdfast.endpoint_options import EndpointOptions
from holdfast.reachable import why_silent

Key = TypeVar("Key")
Answer = TypeVar("Answer")
NO_KEY = "none"
"""Word in place of a key for an endpoint that asks for none."""
MAX_BACKOFF = 60.0
MAX_WAIT = 600.0
"""Seconds. If a server asks for a longer wait, the question is given up."""
GIVE_UP = 8
"""Number of unanswered questions in a row after which the endpoint counts as down."""
TRANSIENT = (408, 409, 429)
"""Status codes of failures that may pass, in addition to server errors from 500 on."""


@dataclass(frozen=True)
class Role:
    """Words by which messages name the model behind an endpoint, and the options that lead to it."""

    name: str
    kind: str
    """The role with its article, at the start of a sentence about what it needs."""
    address: str
    """Option of the endpoint's address."""
    key: str
    """Option that names the variable of the key."""
    needs_key: bool = True
    """False for an endpoint that may ask for no key. Without one, the requests carry the word none."""
    asked: str = "questions"
    """Word for the texts that are sent to the model."""


JUDGE = Role("judge", "a judge behind an API", "api.base_url", "api.key_variable")


@dataclass(frozen=True)
class Reply:
    """A model's reply to one question, as the endpoint gives it."""

    text: str | None
    thoughts: str | None
    """The thoughts of a reasoning model, where the endpoint gives them apart from the text."""
    refusal: str | None
    """The model's refusal, where the endpoint gives it apart from the text."""
    ending: str | None
    """Reason why the reply ended: stop, length or another word of the endpoint."""
    model: str | None = None
    """The model that answered, in the endpoint's words."""
    tokens: int | None = None
    """Number of tokens of the reply by the endpoint's count. None if it does not count them."""

    @property
    def is_missing(self) -> bool:
        """True for a reply that has no content, no thoughts and no refusal."""
        return self.text is None and not self.thoughts and not self.refusal


class NoAnswerError(Exception):
    """A question got no answer. The message says why."""


class TransientError(Exception):
    """An attempt failed, but a later one may succeed. Holds the reason and the server's waiting time."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class UnreachableError(TransientError):
    """No connection could be made."""


class MissingError(ConnectionError):
    """The endpoint knows neither the address nor the model."""


class ChatEndpoint:
    """A model that answers one question per request. Several threads may ask at once.

    Raises:
        ValueError: the key or the openai package is missing.
    """

    def __init__(
        self,
        model: str,
        options: EndpointOptions = EndpointOptions(),
        sleep: Callable[[float], object] | None = None,
        role: Role = JUDGE,
    ) -> None:
        self.model = model
        self.options = options
        self.role = role
        require_endpoint(options, role)
        self._key = _key(options.key_variable, role)
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
        """Returns the text of the model's answer.

        Raises:
            NoAnswerError: the model gave none after all retries, or the budget of requests is spent. Or its answer is
                empty, or a refusal.
            ConnectionError: the endpoint refuses the key or the model, or is down.
        """
        return self._text_of(self.reply(question))

    def reply(self, question: str, settings: Mapping[str, object] | None = None) -> Reply:
        """Returns the model's reply, which may be empty. Raises the errors of `ask`.

        Args:
            question: the conversation's only turn.
            settings: more fields of the request, such as a seed.
        """
        self._require_reachable()
        try:
            reply = self._patiently(lambda: self._reply_once(question, settings or {}))
        except TransientError as error:
            if isinstance(error, UnreachableError) and not self._reached:
                raise self._nothing_answers() from None
            self._note_unanswered(str(error))
            raise NoAnswerError(str(error)) from None
        if reply.is_missing:
            reason = f"the {self.role.name}'s reply has no content (it ended with {reply.ending!r})"
            self._note_unanswered(reason)
            raise NoAnswerError(reason)
        self._unanswered = 0
        return reply

    def names(self) -> list[str]:
        """Returns the names of the models that the endpoint lists. Empty if it lists none.

        Raises:
            ConnectionError: nothing answers, or the endpoint refuses the key.
        """
        self._require_reachable()
        try:
            listed = self._patiently(lambda: self._answered(lambda: self._client.models.list()))
        except UnreachableError:
            raise self._nothing_answers() from None
        except (TransientError, NoAnswerError, MissingError):
            return []
        models = getattr(listed, "data", None)
        names = [getattr(model, "id", None) for model in models] if isinstance(models, list) else []
        return [name for name in names if isinstance(name, str) and name]

    def _require_reachable(self) -> None:
        """Raises ConnectionError within seconds if nothing replies at all, before the first question is sent."""
        with self._lock:
            if not self._tried:
                self._unreachable, self._tried = why_silent(f"{self.options.base_url}/models") is not None, True
        if self._unreachable:
            raise self._nothing_answers()

    def _nothing_answers(self) -> ConnectionError:
        return ConnectionError(
            f"nothing answers at {self.options.base_url}, where the {self.role.name}"
            f"{f' {self.model!r}' if self.model else ''} should be; start its server, or correct {self.role.address}."
        )

    def start(self) -> None:
        """Lets threads wait again after a stop."""
        self._stopped.clear()

    def stop(self) -> None:
        """Makes waiting threads give up."""
        self._stopped.set()

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        for attempt in count():
            self._spend()
            try:
                return request()
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

    def _note_unanswered(self, reason: str) -> None:
        with self._lock:
            self._unanswered += 1
        if self._unanswered >= GIVE_UP:  # questions under way may add to it, so the error names the limit
            raise ConnectionError(
                f"the {self.role.name} at {self.options.base_url} left {GIVE_UP} {self.role.asked} in a row "
                f"without an answer ({reason}); run the same command again when it is up: holdfast keeps the answers "
                "so far."
            )

    def _reply_once(self, question: str, settings: Mapping[str, object]) -> Reply:
        given = {self.options.token_field: self.options.max_answer_tokens, **settings}
        if self.options.temperature != "none":
            given["temperature"] = self.options.temperature
        messages = [{"role": "user", "content": question}]  # no system role: some models have none
        completion = self._answered(
            lambda: self._client.chat.completions.create(model=self.model, messages=messages, **given)
        )
        return self._read(completion)

    def _answered(self, request: Callable[[], Any]) -> Any:
        """Sends a request, and raises its failure as the error that says whether a later one may succeed."""
        import openai  # optional, and slow to import

        try:
            answer = request()
        except openai.APITimeoutError:
            raise TransientError(f"the {self.role.name} did not answer within {self.options.timeout:g} s") from None
        except openai.APIConnectionError:
            raise UnreachableError(f"the connection to the {self.role.name} failed") from None
        except openai.APIStatusError as error:
            self._reached = True
            raise self._refusal(error.status_code, error.response.headers, error.message) from None
        except ValueError:
            self._reached = True
            raise TransientError("the endpoint's reply is not JSON") from None
        self._reached = True
        return answer

    def _read(self, completion: object) -> Reply:
        """Reads a completion, which may be anything, since endpoints differ. The texts come without the key."""
        choices = getattr(completion, "choices", None)
        if not choices:
            raise TransientError("the endpoint's reply holds no answer")
        message = choices[0].message
        thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        parts = (getattr(message, "content", None), thoughts, getattr(message, "refusal", None))
        texts = [self._without_key(part) if isinstance(part, str) else None for part in parts]
        name, usage = getattr(completion, "model", None), getattr(completion, "usage", None)
        tokens = getattr(usage, "completion_tokens", None)
        return Reply(
            *texts,
            ending=getattr(choices[0], "finish_reason", None),
            model=self._without_key(name) if isinstance(name, str) and name else None,
            tokens=tokens if isinstance(tokens, int) and tokens >= 0 else None,
        )

    def _text_of(self, reply: Reply) -> str:
        if reply.refusal:
            raise NoAnswerError(f"the {self.role.name} refused to answer: {reply.refusal[:80]!r}")
        if not reply.text or not reply.text.strip():
            raise NoAnswerError(f"the {self.role.name}'s answer is empty (it ended with {reply.ending!r})")
        return reply.text

    def _refusal(self, status: int, headers: Any, message: str) -> Exception:
        """Returns the error for a failed status: it concerns this attempt, this question, or all questions."""
        role, address = self.role, self.options.base_url
        if status == 401:  # the message may hold part of the key
            variable = self.options.key_variable
            refused = f"refused the key in {variable}; set another"
            asks = f"asks for a key; put it into the environment variable {variable}, or name another with {role.key}"
            return ConnectionError(f"the {role.name} at {address} {asks if self._key == NO_KEY else refused}.")
        reply = " ".join(self._without_key(message).split())[:200]
        if status == 404:
            return MissingError(
                f"there is no {role.name} {self.model!r} at {address} ({reply}); check the model's name and "
                f"{role.address}."
            )
        if status in TRANSIENT or status >= 500:
            return TransientError(f"the {role.name}'s endpoint failed with {reply}", _retry_after(headers))
        return NoAnswerError(f"the {role.name}'s endpoint refused the {role.asked.removesuffix('s')} with {reply}")

    def _without_key(self, text: str) -> str:
        # A short word is no secret, and may occur by chance.
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


def ask_all(
    endpoint: ChatEndpoint, requests: Mapping[Key, Callable[[], Answer]], concurrency: int
) -> Iterator[tuple[Key, Answer]]:
    """Makes several requests at a time, and yields each result as it comes, with its key.

    An error or an interrupt makes the other requests give up.
    """
    endpoint.start()
    with ThreadPoolExecutor(concurrency) as pool:
        futures = {pool.submit(request): key for key, request in requests.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # also an interrupt: leaving the block would wait for every submitted request
            endpoint.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def require_endpoint(options: EndpointOptions, role: Role = JUDGE) -> None:
    """Raises ValueError if the key or the openai package is missing. Sends no request."""
    _key(options.key_variable, role)
    if importlib.util.find_spec("openai") is None:
        raise ValueError(f"{role.kind} needs the package openai; install it with pip install openai.")


def _key(variable: str, role: Role) -> str:
    key = os.environ.get(variable, "").strip()
    if not key and role.needs_key:
        raise ValueError(
            f"{role.kind} needs its key in the environment variable {variable}, which is not set; set it, to any word "
            f"where the endpoint asks for none, or name another with {role.key}."
        )
    return key or NO_KEY


def _connect(options: EndpointOptions, key: str) -> Any:
    import openai

    # The client would retry by itself, and these requests would not count in the budget.
    return openai.OpenAI(base_url=options.base_url, api_key=key, timeout=options.timeout, max_retries=0)


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
