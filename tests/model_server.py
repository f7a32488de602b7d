"""A checkpoint behind the chat-completions protocol on this machine, for tests and to try `--served` by hand:

python -m tests.model_server MODEL 8008        then: holdfast evaluate --served http://127.0.0.1:8008/v1 ...
"""

import sys
import threading

from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions
from tests.judge.chat_server import ChatServer, Reply, said


def model_server(loaded: LoadedModel, port: int = 0) -> ChatServer:
    """Answers with the model itself, one question at a time, in its own chat template."""
    alone = threading.Lock()

    def answer(question: str, number: int) -> Reply:
        body = server.bodies[number]
        asked = GenerateOptions(max_new_tokens=body["max_tokens"], temperature=body.get("temperature", 0.0))
        with alone:
            (response,) = generate(loaded.model, loaded.tokenizer, [question], asked)
        return said(response.text, "stop" if response.finished else "length")

    server = ChatServer(answer, [loaded.name], port)
    return server


if __name__ == "__main__":
    with model_server(load_model(sys.argv[1]), int(sys.argv[2])).running() as running:
        print(f"serving {sys.argv[1]} at {running.base_url}; stop with Ctrl-C", flush=True)
        threading.Event().wait()
