"""Hashes rendered prompts (SHA-256 by set), so that only results of equal renderings are compared or resumed.

The hash covers everything that changes a rendering: the chat template and its arguments, a system prompt or date that
the template inserts, the plain format, and the token that begins a text.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from holdfast.evaluate.suite import Suite
from holdfast.json_files import digest
from holdfast.prompts.chat import Turn, encode_chat, encode_exchange, rendering_digest
from holdfast.prompts.template_arguments import arguments_of
from holdfast.records import Exchange

SETS = ("harmful", "harmless", "borderline", "questions", "task")


EXAMPLE = Exchange(" a \n", " a \n")
"""An exchange with white space, which some templates trim."""


def suite_rendering(tokenizer: PreTrainedTokenizerBase, suite: Suite) -> dict[str, object]:
    """Returns the digest of every set of prompts and exchanges as the model reads it, and the template's arguments."""
    prompts = {name: [prompt.prompt for prompt in getattr(suite, name)] for name in SETS}
    digests: dict[str, object] = {
        name: _of_prompts(tokenizer, set_prompts) for name, set_prompts in prompts.items() if set_prompts
    }
    given = {"exchanges": suite.exchanges, "refusals": suite.refusals}
    digests |= {name: _of_exchanges(tokenizer, exchanges) for name, exchanges in given.items() if exchanges}
    arguments = dict(arguments_of(tokenizer))
    return digests | ({"template_arguments": arguments} if arguments else {})


def rendering_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns the digest of an example, which shows whether resumed work still renders prompts as before."""
    return digest([_of_prompts(tokenizer, [EXAMPLE.prompt]), _of_exchanges(tokenizer, [EXAMPLE])])


def _of_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> str:
    return rendering_digest([encode_chat(tokenizer, [Turn("user", prompt)]) for prompt in prompts])


def _of_exchanges(tokenizer: PreTrainedTokenizerBase, exchanges: Sequence[Exchange]) -> str:
    return rendering_digest([encode_exchange(tokenizer, exchange.prompt, exchange.response) for exchange in exchanges])
