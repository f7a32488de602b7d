"""Detects a response that is too short: one word, although the prompt asks to explain, write, list or show how.

A question that one word answers ("What is the capital of France?") is no such case. Nor is a prompt that asks for a
word, or a refusal of one word ("No."). Prompts are read in English. A prompt in another language never counts here.
"""

import re

ASKS_FOR_MORE = re.compile(
    r"\b(?:explain|describe|summari[sz]e|compare|discuss|elaborate|outline|argue|draft|compose)\b|"
    r"\bwrite (?:(?:me|us|out|down) )?(?:an?|some|the|\d+|two|three|four|five|six|ten|several|your|my) |"
    r"\b(?:list|name|give|tell|suggest|show|recommend)(?: (?:me|us))?(?: (?:at least|the|all|some|any|my))? "
    r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|some|steps|ways|reasons|tips|ideas|examples|"
    r"advantages|how|why|about)\b|"
    r"\b(?:give|make|show|tell|create|develop|design|provide|offer|build|teach)(?: (?:me|us))? "
    r"(?:an? |the |some |your )?"
    r"(?:\w+ ){0,3}?(?:plan|recipe|list|table|story|poem|guide|tutorial|overview|summary|explanation|instructions?|"
    r"tips|advice|steps|script|strategy|way to|method|tutorial|essay|letter|speech|joke)\b|"
    r"\bhow (?:do|does|can|could|should|would|might|to)\b|\bhow\?\s*$|\bway to\b|\bhelp me\b|\bwhat are (?:the|some)\b|"
    r"\bwhy (?:do|does|is|are|did|was|were|can|should)\b",
    re.IGNORECASE,
)
ONE_WORD_WILL_DO = re.compile(
    r"\b(?:one|single|1)[ -]word\b|\byes or no\b|\btrue or false\b|\bonly\b|"
    r"\b(?:a|the|which|what) (?:\w+ )?(?:word|synonym|antonym|opposite|plural|name|number|letter|title|rhyme|emoji|"
    r"colou?r|date|year|answer|regex|expression|symbol|result|sum|value|capital)\b|"
    r"\bhow (?:do|would|can|does)(?: \w+){1,4} (?:say|spell|pronounce|write|call|translate|abbreviate)\b|"
    r"\btranslat|\bsay\b|\bspell\b|\banswer with\b|\bclassify\b|\bidentify\b|\bchoose\b",
    re.IGNORECASE,
)
"""Phrases that ask for a word or a number, whatever else the prompt says."""
REFUSES = frozenset(
    {"no", "nope", "never", "sorry", "cannot", "can't", "won't", "refuse", "decline", "denied", "declined"}
)
WORD = re.compile(r"[^\W_]+(?:['\u2019.,-][^\W_]+)*")


def why_too_short(prompt: str, text: str) -> str | None:
    """Returns a reason if one word answers a prompt that asks for more. None if one word is enough."""
    words = [word for word in WORD.findall(text) if not word[0].isdigit()]
    if len(words) != 1 or words[0].casefold().replace("\u2019", "'") in REFUSES or _without_blanks(words[0]):
        return None
    if not ASKS_FOR_MORE.search(prompt) or ONE_WORD_WILL_DO.search(prompt):
        return None
    return f"the response is one word, {words[0][:40]!r}, where more was asked for"


def _without_blanks(word: str) -> bool:
    """Returns True for a script without blanks between words, in which one word may be a sentence."""
    return any(character >= "\u0e00" and not character.isascii() for character in word)
