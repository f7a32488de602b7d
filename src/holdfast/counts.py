"""Writes counts with the word that goes with them: '1 prompt', '3 prompts', '2 claims hold'."""


def counted(count: int, singular: str, plural: str = "") -> str:
    """Writes a count and its noun: '1 prompt', '0 prompts' or '1,024 prompts'.

    Args:
        count: the number, 0 or more.
        singular: words for one, such as 'claim holds'.
        plural: words for any other number. When left out, the singular with an s.
    """
    return f"{count:,} {agreeing(count, singular, plural)}"


def agreeing(count: int, singular: str, plural: str = "") -> str:
    """Returns the words that go with a count, but not the count itself: 'is' for 1, 'are' for 2."""
    return singular if count == 1 else plural or f"{singular}s"
