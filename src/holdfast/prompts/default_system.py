"""Finds the system prompt that a chat template adds by itself if a conversation has none.

    with a system turn      A  MARK     B  user
    without one             A  default  B  user

The default is the text between A and B. It changes what a model refuses, so readers of an evaluation should know it.
"""

from transformers import PreTrainedTokenizerBase

from holdfast.prompts.chat import Turn, encode_chat

MARK, QUESTION = "holdfast-system-mark", "holdfast-user-mark"


def default_system_prompt(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Returns the text of the template's own system prompt. None if it has none, or takes no system turn."""
    try:
        given = encode_chat(tokenizer, [Turn("system", MARK), Turn("user", QUESTION)]).text
    except Exception:  # a template may refuse the role, each with an error of its own
        return None
    plain = encode_chat(tokenizer, [Turn("user", QUESTION)]).text
    before, marked, after = given.partition(MARK)
    start, asked, _ = plain.partition(QUESTION)
    end = after.partition(QUESTION)[0]
    if not (marked and asked and start.startswith(before) and start.endswith(end)):
        return None
    return start[len(before) : len(start) - len(end)].strip() or None
