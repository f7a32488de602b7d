"""How prompts were rendered: SHA-256 by set, so that only what was asked alike is compared, or gone on with.

Whatever makes two renderings of a prompt differ is in it: the chat template and its arguments, a system prompt that the
template puts in, a date, the plain format, the token that begins a text.
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
"""With white space, which some templates trim."""


def suite_rendering(tokenizer: PreTrainedTokenizerBase, suite: Suite) -> dict[str, object]:
    """The digest of every set as the model is asked it, of the exchanges as it reads them, and template arguments."""
    prompts = {name: [prompt.prompt for prompt in getattr(suite, name)] for name in SETS}
    found: dict[str, object] = {name: _of_prompts(tokenizer, asked) for name, asked in prompts.items() if asked}
    given = {"exchanges": suite.exchanges, "refusals": suite.refusals}
    found |= {name: _of_exchanges(tokenizer, exchanges) for name, exchanges in given.items() if exchanges}
    arguments = dict(arguments_of(tokenizer))
    return found | ({"template_arguments": arguments} if arguments else {})


def rendering_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """The digest of an example, to tell whether work that goes on renders as it did before."""
    return digest([_of_prompts(tokenizer, [EXAMPLE.prompt]), _of_exchanges(tokenizer, [EXAMPLE])])


def _of_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> str:
    return rendering_digest([encode_chat(tokenizer, [Turn("user", prompt)]) for prompt in prompts])


def _of_exchanges(tokenizer: PreTrainedTokenizerBase, exchanges: Sequence[Exchange]) -> str:
    return rendering_digest([encode_exchange(tokenizer, one.prompt, one.response) for one in exchanges])
