"""Cuts out what a small refusal judge reads of an exchange: the prompt's end, the response's beginning and end."""

PROMPT_TAIL = 40
RESPONSE_HEAD, RESPONSE_TAIL = 70, 20
GAP = " [...] "


def prompt_excerpt(prompt: str) -> str:
    """Returns the last 40 words of the prompt. After a jailbreak template, the request stands there."""
    return _shorten(prompt, 0, PROMPT_TAIL)


def response_excerpt(response: str) -> str:
    """Returns the first 70 and the last 20 words of the response."""
    return _shorten(response, RESPONSE_HEAD, RESPONSE_TAIL)


def _shorten(text: str, head: int, tail: int) -> str:
    """Returns the text with its middle left out. Line breaks stay unchanged."""
    places = [place for place, letter in enumerate(text) if letter.isspace() and not text[place - 1 : place].isspace()]
    if len(places) < head + tail:
        return text
    start = text[: places[head - 1]] if head else ""
    return start + GAP + text[places[-tail] :].lstrip()
