"""Turns prompts into token ids, and the token ids of a response into text. Every generator uses this file.

A caller may choose how a response begins, which is its opening. The opening follows the text of the chat template, with
the token ids that it has at that place. The model continues from there, and the response is the opening plus what
follows.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.models.tables import check_token_ids, context_of, room_for_response, rooms_for_responses
from holdfast.prompts.chat import ChatFormat, EncodedChat, Turn, encode_chat, end_of_turn
from holdfast.thoughts import opened_thoughts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A prompt in the form that the model receives."""

    prompt: str
    prompt_ids: list[int]
    """Token ids of the rendered conversation up to where the model continues, the opening included."""
    opening: str = ""
    opened: str = ""
    """The mark of a block of thoughts, such as <think>, that the chat template opens at the end of the prompt."""


def ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    openings: Sequence[str] = (),
    num_samples: int = 1,
) -> list[Asked]:
    """Encodes the prompts, each `num_samples` times in a row.

    Args:
        model: the model that will answer.
        tokenizer: its tokenizer.
        prompts: the questions, each a conversation of one user turn.
        openings: the beginning of each response, one per prompt. Without them no response has one.
        num_samples: number of times that each prompt is repeated.

    Raises:
        ValueError: there are no prompts, or one fills the model's context or has a token that the model lacks.
    """
    if not prompts:
        raise ValueError("there are no prompts to answer; give at least one.")
    pairs = zip(prompts, openings or [""] * len(prompts), strict=True)
    asked = [_asked(tokenizer, prompt, opening) for prompt, opening in pairs]
    check_token_ids(model, tokenizer, [prompt.prompt_ids for prompt in asked])
    _refuse_overlong(model, asked)
    return [prompt for prompt in asked for _ in range(num_samples)]


def read_response(
    tokenizer: PreTrainedTokenizerBase, asked: Asked, token_ids: list[int], ends: set[int], *, ended: bool = False
) -> Response:
    """Returns the response that these tokens spell, up to the first end token.

    `ended` marks a response that ended without showing an end token.
    """
    kept = until_end(token_ids, ends)
    end_id = token_ids[len(kept)] if len(kept) < len(token_ids) else None
    text = _decode(tokenizer, kept)
    if asked.opening:
        # Some tokenizers drop the blank before the first word of a text. Decoding the prompt as well keeps it.
        before = _decode(tokenizer, asked.prompt_ids)
        text = asked.opening + _decode(tokenizer, asked.prompt_ids + kept)[len(before) :]
    finished = ended or end_id is not None
    return Response(asked.prompt, asked.prompt_ids, kept, text, finished, end_id=end_id, opened=asked.opened)


def until_end(token_ids: list[int], ends: set[int]) -> list[int]:
    """Returns the tokens before the first end token."""
    return token_ids[: next((place for place, token in enumerate(token_ids) if token in ends), len(token_ids))]


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Returns the tokens that end a response, by the generation config, the tokenizer and the chat template."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ends = configured if isinstance(configured, list) else [configured]
    return {end for end in [*ends, tokenizer.eos_token_id, end_of_turn(tokenizer)] if isinstance(end, int)}


def _asked(tokenizer: PreTrainedTokenizerBase, prompt: str, opening: str) -> Asked:
    chat: EncodedChat = encode_chat(tokenizer, [Turn("user", prompt)], chat_format=ChatFormat(suffix=opening))
    return Asked(prompt, chat.token_ids, opening, opened_thoughts(chat.text.removesuffix(opening)))


def _decode(tokenizer: PreTrainedTokenizerBase, token_ids: list[int]) -> str:
    return str(tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _refuse_overlong(model: PreTrainedModel, asked: Sequence[Asked]) -> None:
    longest = max(asked, key=lambda prompt: len(prompt.prompt_ids))
    length = len(longest.prompt_ids)
    if not room_for_response(model, length, 1):
        raise ValueError(
            f"a prompt of {length} tokens fills the model's context of {context_of(model)} and leaves no room for a "
            f"response; shorten or remove it: {longest.prompt[:60]!r}."
        )


def warn_of_context(model: PreTrainedModel, lengths: Sequence[int], options: GenerateOptions) -> None:
    """Logs a warning if the context leaves some responses fewer tokens than `max_new_tokens`.

    `lengths` are the numbers of tokens in the prompts.
    """
    rooms = rooms_for_responses(model, lengths, options.max_new_tokens)
    cut = sum(room < options.max_new_tokens for room in rooms)
    if cut:
        logger.warning(
            "%d of %d responses may have fewer than max_new_tokens=%d tokens, the shortest %d: the model's context of "
            "%d tokens ends there. Lower max_new_tokens, or shorten the prompts.",
            *(cut, len(rooms), options.max_new_tokens, min(rooms), context_of(model)),
        )


def is_cut_by_context(response: Response, options: GenerateOptions) -> bool:
    """Returns True if the model's context ended the response before `max_new_tokens` did."""
    return not (response.finished or response.broken) and len(response.token_ids) < options.max_new_tokens
