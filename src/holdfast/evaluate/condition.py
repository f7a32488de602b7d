"""Conditions under which a release fails, as text: comparisons of one measure between two checkpoints.

    condition  = comparison { "and" comparison }
    comparison = ( MEASURE[.END] | "p" ) ( ">" | ">=" | "<" | "<=" ) sum
    sum        = product { ( "+" | "-" ) product }
    product    = term { ( "*" | "/" ) term }        at most one of them is no number, and nothing is divided by it
    term       = NUMBER | "before"[.END]
    END        = "low" | "high" | "unscored"

    asr > before + 0.02        perplexity > before * 1.5        utility.high < before.low        asr.unscored > 5

MEASURE is the second checkpoint's measure, e.g. asr or asr/heldout. In logs of lm-eval it may have a filter, as in
exact_match,strict-match. A group's name with spaces needs single quotes.
`before` is the same measure of the first checkpoint. .low and .high are the ends of the 95% interval, and .unscored
counts responses without a verdict. `p` is the measure's exact paired p value, without correction for other measures.

A condition is about one measure, so `before` and `p` need no name and a failure is one sentence. For `or`, give a
second condition. Numbers that differ by rounding alone are equal.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from holdfast.evaluate.condition_mistakes import ENDS, mistake_in

EXAMPLES = "asr > before + 0.02, perplexity > before * 1.5, utility.high < before.low"
EXAMPLE_LIST = '["refusal < before - 0.05"]'
PLAIN_NAME = re.compile(r"[A-Za-z_]\w*(?:,[^\s<>='/]+)?(?:/[^\s<>=']+)?")
"""Matches the name of a measure that needs no quotes: acc, acc/arc_easy or exact_match,strict-match."""
TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<sign>[<>]=?|[-+*/])"
    r"|(?P<name>(?:'[^']+'|" + PLAIN_NAME.pattern + r")(?:\.\w+)?)"
    r"|(?P<other>\S)"
)


@dataclass(frozen=True)
class Quantity:
    """A number to look up: a measure after, the measure before, or its p value."""

    name: str
    end: str = "value"


@dataclass(frozen=True)
class Comparison:
    """A comparison of `left` with a sum of terms, each with its factor."""

    left: Quantity
    operator: str
    terms: tuple[tuple[float, float | Quantity], ...]

    def holds(self, look_up: Callable[[Quantity], float]) -> bool:
        """True where the comparison holds for the numbers that `look_up` returns."""
        left, right = look_up(self.left), self.bar(look_up)
        # Rates are ratios of integers. In floating point 0.95 + 0.02 differs slightly from 0.97, and must equal it.
        if math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12):
            return "=" in self.operator
        return left > right if ">" in self.operator else left < right

    def bar(self, look_up: Callable[[Quantity], float]) -> float:
        """Computes the sum on the right side."""
        return sum(factor * (look_up(term) if isinstance(term, Quantity) else term) for factor, term in self.terms)

    def factor_of(self, quantity: Quantity) -> float:
        """Returns the sum of the factors of a quantity on the right side."""
        return sum(factor for factor, term in self.terms if term == quantity)

    @property
    def constant(self) -> float:
        """Sum of the numbers on the right side."""
        return sum(factor * term for factor, term in self.terms if isinstance(term, float))


@dataclass(frozen=True)
class Condition:
    """A condition under which a release fails: all of its comparisons hold."""

    text: str
    measure: str
    comparisons: tuple[Comparison, ...]


class Token(NamedTuple):
    """A token of a condition's text."""

    kind: str
    text: str
    place: int


def parse_condition(text: str) -> Condition:
    """Parses the text of a condition.

    Raises:
        ValueError: the text does not parse. The error says at which character.
    """
    return _Parser(text).condition()


def parse_conditions(texts: Iterable[str]) -> list[Condition]:
    """Parses the conditions of a gate.

    Raises:
        ValueError: a text does not parse, or two conditions say the same.
    """
    conditions = [parse_condition(text) for text in texts]
    for place, one in enumerate(conditions):
        same = next((known for known in conditions[:place] if known.comparisons == one.comparisons), None)
        if same:
            also = "" if same.text == one.text else f", also as {same.text!r}"
            raise ValueError(
                f"the condition {one.text!r} is given twice{also}; give it once, because every further condition makes "
                "a failure take stronger evidence."
            )
    return conditions


def conditions_of(fail_if: Sequence[str]) -> list[Condition]:
    """Parses the conditions of a gate. Raises ValueError where they are no list of texts, or one does not parse."""
    if isinstance(fail_if, str):
        raise ValueError(f"fail_if is a list of conditions, got one text; give [{fail_if!r}].")
    if not isinstance(fail_if, Iterable):
        raise ValueError(f"fail_if is a list of conditions, got {fail_if!r}; give one such as {EXAMPLE_LIST}.")
    texts = list(fail_if)
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"a condition of fail_if is a text, got {text!r}; give one such as {EXAMPLE_LIST}.")
    return parse_conditions(texts)


class _Parser:
    """Recursive descent parser with one method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [Token(part.lastgroup or "", part.group(), part.start() + 1) for part in TOKEN.finditer(text)]
        self.tokens.append(Token("end", "", len(text) + 1))

    def condition(self) -> Condition:
        if self.tokens[0].text == "p":
            self.fail("a measure", "a condition begins with its measure")
        comparisons = [self.comparison(None)]
        measure = comparisons[0].left.name
        while self.tokens[0].text == "and":
            self.tokens.pop(0)
            comparisons.append(self.comparison(measure))
        if self.tokens[0].kind != "end":
            self.fail("+, -, *, /, `and` or the end")
        return Condition(self.text, measure, tuple(comparisons))

    def comparison(self, measure: str | None) -> Comparison:
        """Parses one comparison. `measure` is that of the first comparison, which the others must share."""
        if self.tokens[0].kind != "name" or self.tokens[0].text in ("and", "before", "after"):
            self.fail("a measure")
        if measure and self.quantity(self.tokens[0]).name not in (measure, "p"):
            self.fail(f"{measure} or p", "a condition is about one measure; give another condition for another")
        left = self.quantity(self.tokens.pop(0))
        if self.tokens[0].kind != "sign" or self.tokens[0].text in "+-*/":
            self.fail(">, >=, < or <=")
        operator = self.tokens.pop(0).text
        terms = [self.product(1.0)]
        while self.tokens[0].text in ("+", "-"):
            terms.append(self.product(1.0 if self.tokens.pop(0).text == "+" else -1.0))
        return Comparison(left, operator, tuple(terms))

    def product(self, sign: float) -> tuple[float, float | Quantity]:
        """Parses terms that are multiplied or divided, to a factor and a quantity, or to a sign and a number."""
        number, quantity, operator = 1.0, None, "*"
        while operator in ("*", "/"):
            if self.tokens[0].kind != "number" and (quantity or operator == "/"):
                self.fail("a number")
            if operator == "/" and float(self.tokens[0].text) == 0:
                self.fail("a number other than 0")
            term = self.term()
            if isinstance(term, Quantity):
                quantity = term
            else:
                number = number / term if operator == "/" else number * term
            operator = self.tokens.pop(0).text if self.tokens[0].text in ("*", "/") else ""
        return (sign, number) if quantity is None else (sign * number, quantity)

    def term(self) -> float | Quantity:
        if self.tokens[0].kind == "number":
            return float(self.tokens.pop(0).text)
        if self.tokens[0].kind != "name" or self.quantity(self.tokens[0]).name != "before":
            self.fail("a number or before")
        return self.quantity(self.tokens.pop(0))

    def quantity(self, token: Token) -> Quantity:
        """Splits a name from .low, .high or .unscored. Any other dot is part of a group's name."""
        name, _, end = token.text.rpartition(".")
        if end in ENDS and name != "p":
            return Quantity(name.strip("'"), end)
        return Quantity(token.text.strip("'"))

    def fail(self, expected: str, why: str = "") -> NoReturn:
        """Raises ValueError with the place of the first unexpected token."""
        token = self.tokens[0]
        if mistake := mistake_in(self.text):
            raise ValueError(f"the condition {self.text!r} does not parse: {mistake}.")
        what = f"{token.text!r} at character {token.place}" if token.text else "the end"
        because = f" ({why})" if why else ""
        raise ValueError(
            f"the condition {self.text!r} does not parse: expected {expected}{because}, found {what}; "
            f"conditions look like: {EXAMPLES}."
        )
