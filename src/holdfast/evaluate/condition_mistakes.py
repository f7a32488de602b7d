"""Recognises usual mistakes in the text of a condition, and says how to write it."""

import re
from collections.abc import Callable

from holdfast.shares import PERCENTAGE, share_advice
from holdfast.spelling import nearest

EXAMPLE = '"refusal < before - 0.05"'
WHOLE = f"give measure, operator and threshold together as one text in quotes, such as {EXAMPLE}"
OPERATOR = r"(?:[<>]=?)"
ENDS = ("low", "high", "unscored")
"""Numbers of a measure beside its value: the ends of its 95% interval, and how many responses have no score."""


def mistake_in(text: str) -> str | None:
    """Says what is wrong with a condition that does not parse, and how to write it. None for no usual mistake."""
    stripped = text.strip()
    for pattern, advise in MISTAKES:
        if found := re.search(pattern, stripped):
            return advise(found)
    return None


def _of_percentage(found: re.Match[str]) -> str:
    return f"measures are shares, so {share_advice(found[0])}"


def _of_comma(found: re.Match[str]) -> str:
    return f"{found[0]!r} is no number; write it with a point: {found[0].replace(',', '.')}"


def _of_capitals(found: re.Match[str]) -> str:
    written = re.sub("before", "before", found.string.strip(), flags=re.IGNORECASE)
    place = next((at for at, sign in enumerate(written) if sign in "<>"), len(written))
    measure, rest = written[:place], written[place:]
    measure = measure.lower() if measure.isupper() else measure
    return f"{found[0]!r} is no name, because names are in lower case; write {measure}{rest}"


def _of_two_signs(found: re.Match[str]) -> str:
    sign = "-" if found["first"] != found["second"] else "+"
    return f"{found[0]!r} has two signs; write {sign} {found['number']}"


def _of_end(found: re.Match[str]) -> str:
    end = nearest_end(found["end"])
    write = f"write before.{end}" if end else "write before.low, before.high or before.unscored"
    return f"{found[0]!r} is no number; {write}"


def nearest_end(end: str) -> str | None:
    """Finds which of low, high and unscored an unknown end of a measure means. None if it means none of them."""
    return nearest(end, ENDS)


def _of_several(found: re.Match[str]) -> str:
    return (
        f"{found['joint']!r} joins no conditions; a gate fails if any of its conditions is met, so give each one as a "
        "condition of its own"
    )


def _of_swapped(found: re.Match[str]) -> str:
    turned = found["operator"].translate(str.maketrans("<>", "><"))
    return f"a condition begins with its measure; write {found['name']} {turned} {found['number']}"


def _of_no_operator(found: re.Match[str]) -> str:
    percentage = PERCENTAGE.search(found[0])
    share = f", and measures are shares, so {share_advice(percentage[0])}" if percentage else ""
    return f"it has no operator (>, >=, < or <=){share}; {WHOLE}"


def _always(sentence: str) -> Callable[[re.Match[str]], str]:
    return lambda _: sentence


MISTAKES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"^[A-Za-z_'][\w/.']*$", _always(f"it has no operator and no threshold; {WHOLE}")),
    (r"^[A-Za-z_][\w/ .,%+-]*$", _of_no_operator),
    (r"^$", _always(f"it is empty; {WHOLE}")),
    (r"[\d.]+\s*%", _of_percentage),
    (r"(?<![\w.])\d+,\d+(?![\w,])", _of_comma),
    (rf"{OPERATOR}.*?(?P<joint>\bor\b|\|\|?|&&?|[,;])", _of_several),
    (
        r"(?<![\w/'])after\b(?!/)",
        _always(
            "'after' is no name; the measure alone is that of the second model, and before is that of the first, as in "
            f"{EXAMPLE}"
        ),
    ),
    (r"(?<![\w/'])(?:BEFORE|Before)(?![\w/])", _of_capitals),
    (r"(?P<first>[-+])\s*(?P<second>[-+])\s*(?P<number>\d*\.?\d+)", _of_two_signs),
    (r"(?<![\w/'])before\.(?!(?:low|high|unscored)\b)(?P<end>\w+)", _of_end),
    (r"=(?P<sign>[<>])", lambda found: f"write {found['sign']}="),
    (r"(?<![<>=!])==?|!=", _always("equality cannot be tested; compare by >, >=, < or <=")),
    (
        rf"^(?P<number>[\d.]+)\s*(?P<operator>{OPERATOR})\s*(?P<name>[A-Za-z_]\w*(?:/\w+)?)$",
        _of_swapped,
    ),
    (rf"^{OPERATOR}", _always(f"it names no measure; {WHOLE}")),
    (rf"{OPERATOR}$", _always(f"it has no threshold after the operator; {WHOLE}")),
)
"""Patterns of mistakes with their advice. The first that is found counts."""
