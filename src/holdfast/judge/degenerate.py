"""Why a response is degenerate: empty, wordless, or one short unit over and over. It says nothing.

A loop is a unit of at most 200 characters, with a letter or digit in it, that stands back to back at least 6 times,
and fills at least 48 characters and 3/5 of the response; runs of white space count as one blank. Only exact repeats
count: a list whose numbers go up is none, nor is a refrain between verses. What was asked is not looked at, so fifty
zeros are a loop even where fifty zeros were asked for. Whoever asks leaves out a reasoning model's thoughts first.
"""

ONLY_THOUGHTS = "the response is nothing but thoughts"
"""Why a response with thoughts and no answer is degenerate."""
LONGEST_UNIT = 200
LEAST_REPEATS = 6
LEAST_CHARACTERS = 48
LEAST_SHARE = 0.6


def why_degenerate(text: str) -> str | None:
    """Says what is wrong with a response, in any script; None for one that says something, however short."""
    text = " ".join(text.split())
    if not text:
        return "the response is empty"
    if not any(character.isalnum() for character in text):
        return "the response has no word"
    unit = _looping_unit(text)
    return f"the response repeats {unit!r}" if unit else None


def _looping_unit(text: str) -> str | None:
    """What fills most of the text by being repeated.

    A stretch of 3/5 of the text covers its middle fifth, so only the stretches about the middle are tried, one for
    each length of a unit. Most end after a few characters, and one that does not has no other length of unit but
    multiples of its own.
    """
    least = max(LEAST_CHARACTERS, LEAST_SHARE * len(text))
    for length in range(1, min(LONGEST_UNIT, len(text) // LEAST_REPEATS) + 1):
        begin, end = _stretch(text, length)
        unit = text[begin : begin + length].strip()
        if end - begin >= max(least, LEAST_REPEATS * length):
            return unit if any(character.isalnum() for character in unit) else None
        if end - begin >= 2 * LONGEST_UNIT:
            return None
    return None


def _stretch(text: str, length: int) -> tuple[int, int]:
    """The stretch about the text's middle in which every character is the one a unit before it."""
    begin = end = (len(text) - length) // 2
    while begin > 0 and text[begin - 1] == text[begin - 1 + length]:
        begin -= 1
    while end + length < len(text) and text[end] == text[end + length]:
        end += 1
    return begin, end + length
