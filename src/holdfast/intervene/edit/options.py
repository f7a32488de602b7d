"""Options of steering, for commands whose help must not load torch."""

from typing import Literal

Rule = Literal["add", "piecewise"]
"""How a state is moved: every one the same way, or away from the boundary between the two sides."""
Where = Literal["all", "prompt", "response"]
"""Tokens whose states are moved: all, those of the prompt, or the last one of every forward pass, which is the one that
the next token of the response is read from."""
