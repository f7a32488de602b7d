"""Responses of a model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama or any other.

The server renders the prompt in its own chat template and samples by its own settings. Of these holdfast sends a limit
of tokens, and a temperature and a seed unless the server's own sampling is asked for. No weights and no tokens come
back, so nothing is measured that needs them. A response that the server does not give is missing, and a log keeps all
others, so that a command that was stopped asks only for the rest.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from holdfast.artifacts import seed_from
from holdfast.chat_endpoint import ChatEndpoint, NoAnswerError, Reply, Role, ask_all
from holdfast.endpoint_options import EndpointOptions
from holdfast.models.generate import refuse_equal_samples
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.progress import Progress
from holdfast.spelling import meant
from holdfast.thoughts import MARKS

logger = logging.getLogger(__name__)
ROLE = Role("served model", "a served model", "--served", "--served-key-variable", needs_key=False, asked="prompts")
MOST_SEEDS = 2**31
"""Seeds stay below this number, because some servers keep them in 32 bits with a sign."""
CUT_OFF = "length"
"""Word of the protocol for a response that the limit of tokens ended."""


@dataclass(frozen=True)
class ServedModel:
    """A model behind a server, which answers prompts and shows nothing else."""

    endpoint: ChatEndpoint
    options: ServedOptions

    @property
    def name(self) -> str:
        """Name of the model on the server."""
        return self.endpoint.model

    @property
    def address(self) -> str:
        """Address of the server, up to /v1 where it has that part."""
        return self.endpoint.options.base_url

    def __call__(
        self,
        prompts: Sequence[str],
        options: GenerateOptions,
        progress: Progress,
        log: ResponseLog | None = None,
        *,
        openings: Sequence[str] = (),
    ) -> list[Response]:
        """Returns the responses in the order of the prompts, the K samples of a prompt in a row.

        Raises:
            ValueError: a response should begin with an opening, several samples have no temperature, or the server
                gave no response to any prompt.
            ConnectionError: the server is down, refuses the key, or left many prompts in a row without a response.
        """
        if any(openings):
            raise ValueError("a server does not let a response begin with a given text; leave the prefill out.")
        if self.options.served_sampling == "asked":
            refuse_equal_samples(options)
        asked = [prompt for prompt in prompts for _ in range(options.num_samples)]
        responses = dict(log.known) if log else {}
        missing = [position for position in range(len(asked)) if position not in responses]
        progress("answering prompts", len(responses), len(asked))
        requests = {position: partial(self._answer, asked[position], position, options) for position in missing}
        for position, response in ask_all(self.endpoint, requests, self.options.served_concurrency):
            responses[position] = response
            if log and not response.missing:
                log.add({position: response})
            progress("answering prompts", len(responses), len(asked))
        answers = [responses[position] for position in range(len(asked))]
        if answers and all(response.missing for response in answers):
            raise ValueError(
                f"the served model {self.name!r} at {self.address} gave none of {len(answers)} responses (the first: "
                f"{answers[0].missing}), so nothing was measured; correct the server or the request, and run the same "
                "command again."
            )
        if missing_ones := [response for response in answers if response.missing]:
            logger.warning(
                "the served model gave no response to %d of %d prompts, which are unscored (the first: %s); run the "
                "same command with another --out to ask again, or correct the server.",
                len(missing_ones),
                len(answers),
                missing_ones[0].missing,
            )
        return answers

    def _answer(self, prompt: str, position: int, options: GenerateOptions) -> Response:
        sampled = self.options.served_sampling == "asked" and options.temperature > 0
        seed = {"seed": seed_from([options.seed, position]) % MOST_SEEDS} if sampled else {}
        try:
            reply = self.endpoint.reply(prompt, seed)
        except NoAnswerError as error:
            return Response(prompt, [], [], "", finished=False, missing=str(error))
        if reply.model not in (None, self.name):
            logger.warning(  # a command shows each sentence once
                "the server was asked for the model %r and answers as %r; check that this is the model that you mean.",
                self.name,
                reply.model,
            )
        return Response(prompt, [], [], _text_of(reply), finished=reply.ending != CUT_OFF, tokens=reply.tokens)


def connect(options: ServedOptions, generation: GenerateOptions) -> ServedModel:
    """Finds the model that a server answers with.

    Args:
        options: the server's address, and the model's name where it is needed.
        generation: the limit of tokens, the temperature and the seed of the responses.

    Raises:
        ValueError: the address is no address, the openai package is missing, or the server lists no model, several, or
            not the one that is named.
        ConnectionError: nothing answers there, or the server refuses the key.
    """
    if not options.served:
        raise ValueError("there is no server; give its address, such as http://localhost:8000/v1.")
    endpoint, names = _find(options, generation)
    endpoint.model = options.served_model or _only(names, endpoint.options.base_url)
    if names and endpoint.model not in names:
        raise ValueError(
            f"the server at {endpoint.options.base_url} has no model {endpoint.model!r}; "
            f"{meant(endpoint.model, names)}."
        )
    return ServedModel(endpoint, options)


def _find(options: ServedOptions, generation: GenerateOptions) -> tuple[ChatEndpoint, list[str]]:
    """Returns the endpoint with the models that it lists, at the address as given or with /v1 at its end."""
    given = _endpoint(options, generation, str(options.served))
    if names := given.names():
        return given, names
    if not given.options.base_url.endswith("/v1"):
        longer = _endpoint(options, generation, f"{given.options.base_url}/v1")
        if names := longer.names():
            return longer, names
    return given, []


def _endpoint(options: ServedOptions, generation: GenerateOptions, address: str) -> ChatEndpoint:
    settings = EndpointOptions(
        base_url=address,
        key_variable=options.served_key_variable,
        temperature="none" if options.served_sampling == "server" else generation.temperature,
        max_answer_tokens=generation.max_new_tokens,
        token_field=options.served_token_field,
        timeout=options.served_timeout,
        retries=options.served_retries,
    )
    return ChatEndpoint(options.served_model or "", settings, role=ROLE)


def _only(names: Sequence[str], address: str) -> str:
    """Returns the only name. Raises ValueError when there are several names, or none."""
    if len(names) == 1:
        return names[0]
    if not names:
        raise ValueError(
            f"the server at {address} names no model in its list (/models); give the model's name with --served-model."
        )
    raise ValueError(
        f"the server at {address} has {len(names)} models ({', '.join(names[:8])}); choose one with --served-model."
    )


def _text_of(reply: Reply) -> str:
    """Joins thoughts, if any, and text of a reply as a reasoning model writes them. A refusal is text as well."""
    text = reply.text or reply.refusal or ""
    if not reply.thoughts:
        return text
    opening, closing = MARKS[0]
    if not text and reply.ending == CUT_OFF:
        return opening + reply.thoughts  # the limit ended the response within its thoughts
    return f"{opening}{reply.thoughts}{closing}\n\n{text}"
