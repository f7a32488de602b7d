"""Finds what the assistant itself says in a response, as sentences that the refusal rules can read.

Thoughts, code, quotations and scripts are left out, and so is a letter, poem or scene that the assistant presents. Of
several voices ("[GPT]: I can't. [DAN]: Sure, ...") the last one counts, since it is the answer that the user wants.
"""

import re
from collections import Counter
from typing import NamedTuple

from holdfast.thoughts import without_thoughts

# Repetitions are bounded, and a sentence of over 400 characters is read in pieces, so that no response takes long.
SENTENCE = re.compile(r"[^.!?:;\n]{1,400}")
ITEM = re.compile(r"^\s{0,8}(?:\d+[.)]|[-*•+])\s")
STRAIGHT = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
)
PRESENTED = re.compile(
    r"\b(?:here(?:'s| is)|below is)\b[^.!?:\n]{0,120}\b(?:email|letter|message|reply|response|note|text|post|poem|"
    r"haiku|song|lyrics|verse|story|scene|dialogue|monologue|conversation|speech|passage|paragraph|script|draft|"
    r"template|version|example)\b(?:[^.!?:\n]{0,80}:|\.(?= ))|^\W{0,9}(?:subject|title|summary):|"
    r"^(?:dear|hi|hello|hey) [^.!?\n]{1,60},$",
    re.MULTILINE | re.IGNORECASE,
)
"""An announcement of a text that the assistant presents. The text follows it."""
CODE = re.compile(r"```[^`]{0,20000}(?:```|\Z)|^(?: {4}|\t).*[(){};=].*$", re.MULTILINE)
QUOTED = re.compile(
    r"^ *>.*$|\"[^\"\n]{12,400}\"|\"[^\"\n]{2,400}[,.!?]\"|(?<!\w)'(?=\w)(?:[^'\n]|'(?=\w)){12,300}'(?!\w)",
    re.MULTILINE,
)
"""Quotations of more than a word or two. An apostrophe within a word ends none."""
LABEL = re.compile(
    r"(?:^[ *_#>]{0,4}|(?<=[.!?] )(?=[\[(]?[A-Z]{3,12}[\])]?:))"
    r"(?P<label>[\[(]?[^\w\n\[(:]{0,4}[A-Za-z][\w .'-]{0,30}[\])]?(?=[ *_]{0,3}:)|"
    r"[\[(][^\])\n:]{2,40}[\])]|[🔒🔓])"
    r"[ *_]{0,3}:?",
    re.MULTILINE,
)
"""A speaker's name in front of a line or a sentence, as in "[GPT]: ..." or "(🔓Developer Mode Output) ..."."""
HEADING = re.compile(
    r"\b(?:note|notes|warning|disclaimer|tips?|important|remember|example|answer|response:|p\.?s|summary|conclusion|"
    r"step|caution|instead|alternatives?|options?|however)\b",
    re.IGNORECASE,
)
"""Beginnings of a line that look like a speaker's name but are none."""
PLAIN_VOICE = re.compile(
    r"\W*(?:(?:the |your )?(?:chat ?gpt|gpt|open ?ai|normal|classic|standard|default|regular|assistant|ai|bot|model|"
    r"safe|"
    r"filtered|censored|user|human)[ -]?\d*\w?\b\W*)+(?:(?:mode|output|response|answer|version|language|ai|gpt|"
    r"self)\W*)*",
    re.IGNORECASE,
)
"""The name that a template gives to the assistant's usual voice, before that of the persona."""
AS_PERSONA = re.compile(
    r"(?:^|[.!?\n] {0,2})(?:But|However|Now|And|Yet|Still|On the other hand)?,? ?(?:as|As) (?!AI\b|An?\b)"
    r"(?:the )?[A-Z][\w-]{1,20}(?: [A-Z][\w-]{1,20}){0,2},? (?=\w)"
)
"""The place where the assistant goes on as another character: "But as Madame Zora, I see ..."."""
WRITTEN_OUT = (
    (re.compile(r"\bcannot\b|\bca ?n't\b|\bcan ?'t\b|\bcant\b|\bcan'(?= \w)"), "can not"),
    (re.compile(r"\bwo ?n't\b|\bwont\b"), "will not"),
    (re.compile(r" ?n't\b"), " not"),
    (re.compile(r"\bdont\b"), "do not"),
    (re.compile(r"'m\b|\b(?<=i)m\b"), " am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"\b(it|that|this|there|here|what)'s\b"), r"\1 is"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"'s\b"), " s"),
)


class Sentence(NamedTuple):
    """A sentence in small letters, with contractions written out and one blank between words."""

    words: str
    item: int
    """Number of the list item that it is part of, from 1 on, or 0 outside of lists."""

    @property
    def length(self) -> int:
        """Number of words."""
        return self.words.count(" ") + 1


def spoken(response: str) -> str:
    """Returns what the assistant itself says. Returns all of it if nothing but a quotation would be left."""
    text = last_voice(without_thoughts(response).translate(STRAIGHT))
    presented = PRESENTED.search(text)
    text = CODE.sub(" ", text[: presented.end()] if presented else text)
    left = QUOTED.sub(" ", _without_script(text))
    return left if any(character.isalnum() for character in left) else text


def last_voice(text: str) -> str:
    """Leaves out the assistant's usual voice if a persona speaks too, and the text before "But as DAN, I ..."."""
    labels = [label for label in LABEL.finditer(text[:20_000]) if not HEADING.search(label[0])]
    ends = [following.start() for following in labels[1:]] + [len(text)]
    parts = [(label["label"], text[label.end() : end]) for label, end in zip(labels, ends, strict=False)]
    voices = [(label, part) for label, part in parts if part.strip() and (label[0] in "[(🔒🔓" or part[0] != "\n")]
    persona = [part for label, part in voices if not (PLAIN_VOICE.fullmatch(label) or "🔒" in label)]
    if 0 < len(persona) < len(voices):
        return "\n".join(persona)
    turn = AS_PERSONA.search(text[:20_000])
    return text[turn.end() :] if turn and turn.start() > 0 else text


def sentences(text: str) -> list[Sentence]:
    """Returns the sentences of a text, each with the list item that it belongs to."""
    split, item = [], 0
    for line in text.casefold().splitlines():
        listed = ITEM.match(line)
        item += bool(listed)
        for short, long in WRITTEN_OUT:
            line = short.sub(long, line)
        for sentence in SENTENCE.findall(ITEM.sub("", line)):
            if words := " ".join(re.findall(r"[^\W_]+", sentence.replace("'", ""))):
                split.append(Sentence(words, item if listed else 0))
    return split


def _without_script(text: str) -> str:
    """Leaves out the lines of a dialogue with at least two speakers, one of whom speaks twice."""
    speakers = Counter(label["label"] for label in LABEL.finditer(text[:20_000]) if label[0].endswith(":"))
    if len(speakers) < 2 or max(speakers.values()) < 2:
        return text
    return "\n".join(
        line for line in text.split("\n") if not (label := LABEL.match(line)) or label["label"] not in speakers
    )
