"""Formats p values in the one way in which tables, figures and sentences show them."""

from collections.abc import Sequence

TIE = 1e-12
"""Difference up to which two numbers are equal, far below one answer and far above rounding in float64."""


def p_text(p_value: float) -> str:
    """Formats a p value: '0.032', or '<0.001'."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_texts(p_value: float, corrected: float | None) -> str:
    """Formats a p value alone and corrected for all tests shown: '0.032 (0.450)'. None leaves out the second."""
    return p_text(p_value) if corrected is None else f"{p_text(p_value)} ({p_text(corrected)})"


def p_words(p_value: float, corrected: float | None) -> str:
    """Writes a paired p value in a sentence: 'paired p <0.001, 0.012 corrected'. None leaves out the second."""
    return f"paired p {p_text(p_value)}" + ("" if corrected is None else f", {p_text(corrected)} corrected")


def rank_p_value(effect: float, controls: Sequence[float]) -> float:
    """Computes p = (1 + controls at least as large as the effect) / (1 + controls), both without their signs.

    It is two-sided and exact if the effect and the controls are equally likely in any order. Ties count against the
    effect. With k controls it is 1 / (k + 1) at best, so that fewer than 19 controls never reach 0.05.
    """
    at_least = sum(abs(control) >= abs(effect) - TIE for control in controls)
    return (1 + at_least) / (1 + len(controls))
