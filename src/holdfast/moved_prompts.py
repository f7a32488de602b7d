"""Words for the prompts that a condition of a gate looks at: those that got worse, got better, or have no score.

A prompt got worse if its outcome changed in the direction that the condition forbids.
"""

from holdfast.counts import agreeing, counted


def which_prompts(number: int, num_worse: int, is_unscored: bool) -> str:
    """Writes 'that got worse' with its prompts: '24 prompts that got worse'.

    Args:
        number: number of the prompts.
        num_worse: number of prompts that got worse. If it is 0, the prompts are those that got better.
        is_unscored: True for prompts without a score.
    """
    return f"{counted(number, 'prompt')} {which_words(num_worse, is_unscored)}"


def which_words(num_worse: int, is_unscored: bool) -> str:
    """Writes what the listed prompts have in common."""
    if is_unscored:
        return "without a score"
    return "that got worse" if num_worse else "that got better"


def moved_words(number: int, num_worse: int, num_better: int, is_unscored: bool) -> str:
    """Writes both directions: '24 prompts got worse and 1 got better', or how many prompts have no score."""
    if is_unscored:
        return f"{counted(number, 'prompt')} {agreeing(number, 'has', 'have')} no score"
    return f"{counted(num_worse, 'prompt')} got worse and {num_better:,} got better"
