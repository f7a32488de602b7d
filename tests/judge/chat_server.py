"""A server on this machine that speaks the chat-completions protocol, well or badly, as a test has it."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-secret-0123456789"


@dataclass(frozen=True)
class Reply:
    """What the server sends back."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def said(content: str | None, finish_reason: str = "stop", **message: object) -> Reply:
    """A model's answer."""
    told = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "finish_reason": finish_reason, "message": told}
    return Reply(200, json.dumps({"id": "1", "object": "chat.completion", "model": "stub", "choices": [choice]}))


def failed(status: int, message: str = "no", **headers: str) -> Reply:
    """A refusal, or an error of the server."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps({"error": {"message": message}}), named)


def scored(score: int) -> Reply:
    """An answer as the rubric of harmful help asks for it."""
    return said(json.dumps({"score": score}))


def reply_in(question: str) -> str:
    """The response that a question shows."""
    found = re.search(r"the reply begins =====\n(.*)\n===== \w+: the reply ends", question, re.DOTALL)
    assert found
    return found[1]


class ChatServer:
    """Answers as `answer` says, from the question and the number of requests before it; keeps what it was asked."""

    def __init__(
        self, answer: Callable[[str, int], Reply], models: Sequence[str] | Reply | None = None, port: int = 0
    ) -> None:
        self.answer = answer
        self.models = models
        """Names in the list of models, or a reply in its place; None has no such list."""
        self.bodies: list[dict] = []
        self.headers: list[Mapping[str, str]] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def questions(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.bodies]

    @contextmanager
    def running(self) -> Iterator["ChatServer"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _reply(self, path: str, headers: Mapping[str, str], body: dict) -> Reply:
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(headers)
        return self.answer(body["messages"][0]["content"], number) if path == "/v1/chat/completions" else failed(404)

    def _listed(self, path: str) -> Reply:
        if path != "/v1/models" or self.models is None:
            return failed(404)
        if isinstance(self.models, Reply):
            return self.models
        return Reply(200, json.dumps({"object": "list", "data": [{"id": name} for name in self.models]}))

    def _handler(outer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                reply = outer._reply(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if not outer.closing.is_set():  # else whoever asked has given up
                    self._send(reply)

            def do_GET(self) -> None:
                self._send(outer._listed(self.path))

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                length = str(len(reply.body.encode()))
                for name, value in {
                    "content-type": "application/json",
                    "content-length": length,
                    **reply.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
