"""Shares in words: how commands and pages print one, and the advice where somebody gives a percentage."""

import re

PERCENTAGE = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))\s*%")


def share_advice(given: object) -> str | None:
    """Returns 'give 0.05 in place of 5%' for a text that is a percentage. None for anything else."""
    found = PERCENTAGE.fullmatch(given.strip()) if isinstance(given, str) else None
    return f"give {float(found[1]) / 100:.10g} in place of {found[0]}" if found else None


def percentage_advice(given: object) -> str | None:
    """Returns '5% as 0.05' for a number that may be meant in percent, from 1 to 100. None for any other."""
    try:
        percent = float(str(given))
    except ValueError:
        return None
    return f"{percent:g}% as {percent / 100:g}" if 1 <= percent <= 100 else None


def share_words(part: int, whole: int) -> str:
    """'17.6%', '1.01%' or '0.052%': three digits, never 0% of what is some nor 100% of what is not all."""
    if whole <= 0 or not part:
        return "0%"
    if part == whole:
        return "100%"
    percent = 100 * part / whole
    if percent < 0.0005:
        return "less than 0.001%"
    if percent >= 99.95:
        return "more than 99.9%"
    return f"{percent:.{1 if percent >= 9.995 else 2 if percent >= 0.9995 else 3}f}%"
