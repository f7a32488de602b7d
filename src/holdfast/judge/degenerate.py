"""Detects degenerate responses, which say nothing: they are empty, wordless, or one short unit over and over.

A loop is a unit of at most 200 characters, with a letter or digit in it. It stands back to back at least 6 times, and
fills at least 48 characters and 3/5 of the response. A run of white space counts as one blank. Only exact repeats
count, so a list whose numbers go up is no loop, nor is a refrain between verses. The prompt plays no part: fifty zeros
are a loop even if the prompt asks for them. Callers remove a reasoning model's thoughts first.
"""

ONLY_THOUGHTS = "the response is nothing but thoughts"
"""Reason for a response with thoughts and no answer."""
LONGEST_UNIT = 200
LEAST_REPEATS = 6
LEAST_CHARACTERS = 48
LEAST_SHARE = 0.6


def why_degenerate(text: str) -> str | None:
    """Returns the fault of a response, in any script. None for one that says something, however short."""
    text = " ".join(text.split())
    if not text:
        return "the response is empty"
    if not any(character.isalnum() for character in text):
        return "the response has no word"
    unit = _looping_unit(text)
    return f"the response repeats {unit!r}" if unit else None


def _looping_unit(text: str) -> str | None:
    """Returns the unit that fills most of the text by repetition.

    A stretch of 3/5 of the text covers its middle fifth. So only stretches around the middle are tried, one for each
    length of a unit. Most end after a few characters. If one does not, only multiples of its length could be units as
    well.
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
    """Returns the stretch around the text's middle in which every character equals the one a unit before it."""
    begin = end = (len(text) - length) // 2
    while begin > 0 and text[begin - 1] == text[begin - 1 + length]:
        begin -= 1
    while end + length < len(text) and text[end] == text[end + length]:
        end += 1
    return begin, end + length
