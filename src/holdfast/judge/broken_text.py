"""Detects broken text: invalid characters, mangled or glued words, or words in an order that no sentence has.

In any script it finds invalid characters, a word that repeats one of its parts, words that mix two alphabets, and long
runs of mixed marks. In English alone it finds unknown words, capitals within words, and words that cannot follow one
another ("the of", "is are"). A text counts as English unless it is seen to be in another language. Code, addresses,
tables and formulas are left out, and so is the last word, which the limit of tokens may have cut.
"""

import re
from collections.abc import Sequence

from holdfast.judge.english import is_english
from holdfast.judge.language import ENGLISH, why_unreadable

LEFT_OUT = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|\\[(\[].*?\\[)\]]|https?://\S{1,400}|\S{1,64}@\S{1,64}|"
    r"^[ \t]*\|[^\n]*|<[^<>\n]{1,80}>|^(?: {4}|\t)[^\n]*[(){};=][^\n]*|\[[^\[\]\n]{1,60}\]",
    re.DOTALL | re.MULTILINE,
)
"""Code, formulas, addresses, rows of tables, tags and blanks to fill in."""
NO_CHARACTER = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f]")
AT_THE_END = 4
"""Characters at the end that are not checked, since the limit of tokens may cut a character in parts."""
READ_CHARACTERS = 8000
LEAST_BLANK, BLANK_SHARE = 30, 0.5
IN_WORD_LOOP = re.compile(r"([^\W\d_]{2,12}?)\1{4,}|([^\W\d_])\2{15,}|([bcdfgjkpqtvwx])\3{4,}")
LAUGHTER = frozenset({"ha", "he", "hi", "ho", "la", "na", "ah", "ja", "da", "ra", "ba", "doo", "ding"})
MARKS = re.compile(r"(?=[^\w\s]{12})(?!([^\w\s])\1{5})[!-/:-@\[-^`{-~]{12,}")
"""A run of twelve marks. One that begins with the same mark six times is a dividing line, and does not match."""
TWO_ALPHABETS = re.compile(
    r"[A-Za-z]{2}[\u0400-\u04ff\u0590-\u06ff\u0900-\u0dff]{2}|[\u0400-\u04ff\u0590-\u06ff\u0900-\u0dff]{2}[A-Za-z]{2}"
)
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
APOSTROPHE = re.compile(r"['\u2019]")
QUOTED = re.compile(
    r"(?<!\w)(['\"])[^'\"\n]{1,80}\1(?!\w)|[\u201c\u2018\u00ab][^\n]{1,80}?[\u201d\u2019\u00bb]|\*[^*\n]{1,80}\*"
)
NEIGHBOURS = re.compile(r"(?<![\w'\u2019-])(?=(I|[A-Z]?[a-z]+)[ \n]([a-z]+)(?![\w'\u2019-]))")
GLUED = re.compile(r"\b[a-z]{2,}[A-Z][a-z]*|[a-z]{2},[a-z]{2}")
"""A capital within a word that begins with a small letter, or words with a comma but no blank between them."""
LEAST_GLUED, GLUED_SHARE = 3, 0.06
LEAST_UNKNOWN, UNKNOWN_SHARE, OTHER_LANGUAGE = 5, 0.2, 0.7
"""A text is broken with this number and share of different unknown words. Above the last share, it may be another
language."""
STREWN_FROM, ROW_WORDS, SMALL_SHARE, STRANGE_SHARE = 16, 4, 0.2, 0.3
"""Limits for strewn words: fewest words in the text, words per row, largest share of small words, smallest share of
unknown ones."""
ROWS = re.compile(r"[^,;:.!?\n]*\w[^,;:.!?\n]*")
NOT_AFTER = {
    "the an": "a an the of to in for with at by from and or but is are was were be been am has have he she they we you "
    "i it that which because if not would should does do did",
    "a": "a an the of with by from are were been am have he she they we you i that which because would should does do",
    "of": "of and or but would",
    "to": "of and but would",
    "is are was were": "is are was were has have does do did would",
    "and or but": "and or but",
    "with for from": "and or but of would",
    "i": "is are has does of",
    "cannot": "cannot are is was were am to of i",
    "my your our their its": "a an the of to and or is are was were my your our their",
    "would should could": "can will would should must could is are was were",
}
"""Words that cannot follow the words on the left."""
CANNOT_FOLLOW = frozenset(
    (first, then) for firsts, thens in NOT_AFTER.items() for first in firsts.split() for then in thens.split()
)
REPEATED = frozenset({"the", "of", "to", "in", "a", "an", "and", "is", "are", "was", "for", "with", "at", "by", "from"})
"""Words that never occur twice in a row."""
LEAST_CLASHES, CLASH_SHARE = 1, 0.04


def why_broken(text: str, prompt: str) -> str | None:
    """Returns the reason why a response is broken.

    None for one that reads as text. Words of its prompt count as known.
    """
    text = LEFT_OUT.sub("; ", text[:READ_CHARACTERS])
    if NO_CHARACTER.search(text[:-AT_THE_END]):
        return "the response holds characters that no text has"
    if len(text) >= LEAST_BLANK and sum(map(str.isspace, text)) >= BLANK_SHARE * len(text):
        return "the response is blank but for a few characters"
    looping = (loop for loop in IN_WORD_LOOP.finditer(text) if (loop[1] or "").casefold() not in LAUGHTER)
    if loop := next(looping, None):
        return f"a word of the response repeats {(loop[1] or loop[0][0])!r}"
    if marks := MARKS.search(text):
        return f"the response holds the marks {marks[0][:20]!r}"
    if len(TWO_ALPHABETS.findall(text)) > 1:
        return "words of the response mix two alphabets"
    return None if why_unreadable(text) else _why_no_english(QUOTED.sub("; ", text), prompt)


def _why_no_english(text: str, prompt: str) -> str | None:
    words = WORD.findall(text)[:-1]
    if len(glued := GLUED.findall(text)) >= max(LEAST_GLUED, GLUED_SHARE * len(words)):
        return f"words of the response are glued: {glued[0]!r}"
    prompt_words = set(WORD.findall(prompt.casefold()))
    small = {word for word in words if word.islower() and len(word) > 2 and word.isascii()}
    unknown = sorted(word for word in small - prompt_words if not is_english(APOSTROPHE.split(word)[0]))
    share = len(unknown) / max(1, len(small))
    if len(unknown) >= LEAST_UNKNOWN and UNKNOWN_SHARE <= share <= OTHER_LANGUAGE:
        return f"words of the response are none: {', '.join(map(repr, unknown[:3]))}"
    if _are_strewn(text, words):
        return "the words of the response make no sentences"
    clashes = clashes_in(text)
    if len(clashes) >= max(LEAST_CLASHES, CLASH_SHARE * len(words)):
        return f"words of the response cannot follow one another: {clashes[0]!r}"
    return None


def _are_strewn(text: str, words: Sequence[str]) -> bool:
    """Returns True if words stand in long rows with few small words of English and many unknown ones."""
    if len(words) < STREWN_FROM or len(words) < ROW_WORDS * len(ROWS.findall(text)):
        return False
    small = sum(word.casefold() in ENGLISH for word in words) / len(words)
    unknown = sum(not is_english(APOSTROPHE.split(word.casefold())[0]) for word in words) / len(words)
    return small <= SMALL_SHARE and unknown >= STRANGE_SHARE


def clashes_in(text: str) -> list[str]:
    """Returns the different pairs of neighbouring words that no sentence has in this order."""
    # "A" may be a name, as in "Movie A was".
    pairs = {(words[1].casefold(), words[2]) for words in NEIGHBOURS.finditer(text) if words[1] != "A"}
    return sorted(" ".join(pair) for pair in pairs if pair in CANNOT_FOLLOW or pair[0] == pair[1] in REPEATED)
