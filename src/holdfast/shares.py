"""A share of counted weights in words, the same wherever a command or a line prints one."""


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
