"""The part of an exchange that a small refusal judge reads: how the prompt ends, how the response begins and ends."""

PROMPT_TAIL = 40
RESPONSE_HEAD, RESPONSE_TAIL = 70, 20
GAP = " [...] "


def prompt_excerpt(prompt: str) -> str:
    """The last 40 words of the prompt: behind a jailbreak template, the request stands there."""
    return _shorten(prompt, 0, PROMPT_TAIL)


def response_excerpt(response: str) -> str:
    """The first 70 and the last 20 words of the response."""
    return _shorten(response, RESPONSE_HEAD, RESPONSE_TAIL)


def _shorten(text: str, head: int, tail: int) -> str:
    """The text with its middle left out; line breaks stay where they are."""
    places = [place for place, letter in enumerate(text) if letter.isspace() and not text[place - 1 : place].isspace()]
    if len(places) < head + tail:
        return text
    start = text[: places[head - 1]] if head else ""
    return start + GAP + text[places[-tail] :].lstrip()
