"""Formats p values in the one way in which tables, figures and sentences show them."""


def p_text(p_value: float) -> str:
    """Formats a p value: '0.032', or '<0.001'."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_texts(p_value: float, corrected: float | None) -> str:
    """Formats a p value alone and corrected for all tests shown: '0.032 (0.450)'. None leaves out the second."""
    return p_text(p_value) if corrected is None else f"{p_text(p_value)} ({p_text(corrected)})"


def p_words(p_value: float, corrected: float | None) -> str:
    """Writes a paired p value in a sentence: 'paired p <0.001, 0.012 corrected'. None leaves out the second."""
    return f"paired p {p_text(p_value)}" + ("" if corrected is None else f", {p_text(corrected)} corrected")
