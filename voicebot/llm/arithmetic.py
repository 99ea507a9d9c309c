"""Answer spoken sums: "what is seven times eight", "12 plus 5"."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
OPERATORS = {
    "plus": "+", "and": "+", "minus": "-", "less": "-", "times": "*", "multiplied": "*", "x": "*",
    "divided": "/", "over": "/", "+": "+", "-": "-", "*": "*", "/": "/", "\u00d7": "*", "\u00f7": "/",
}  # fmt: skip
TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|[+*/\u00d7\u00f7-]")
FILLER = {"what", "is", "s", "whats", "how", "much", "does", "make", "calculate", "compute", "tell", "me",
          "please", "can", "you", "equals", "the", "sum", "of", "result", "so", "and", "by", "ok",
          "okay", "hey"}  # fmt: skip


def answer(text: str) -> str | None:
    """Return the result in words that can be spoken, or None if `text` is not a sum."""
    tokens = TOKEN.findall(text.casefold().replace("-", " - ").replace("'", " "))
    values, operators, current = _parse(tokens)
    if current is None or not values:
        return None
    values.append(current)
    try:
        return _spoken(_evaluate(values, operators))
    except ZeroDivisionError:
        return "nothing sensible, since nobody can divide by zero"
    except OverflowError:
        return "more than I can say"


def _parse(tokens: list[str]) -> tuple[list[Fraction], list[str], Fraction | None]:
    values: list[Fraction] = []
    operators: list[str] = []
    number: Fraction | None = None
    for at, token in enumerate(tokens):
        value = _value(token)
        if value is not None:
            # "twenty" "one" is 21, "two hundred" "five" is 205; digits stand alone
            number = value if number is None or token[0].isdigit() else number + value
        elif token in ("hundred", "thousand") and number is not None:
            number *= 100 if token == "hundred" else 1000
        elif token == "and" and at and tokens[at - 1] in ("hundred", "thousand"):
            continue
        elif token in OPERATORS and number is not None:
            values.append(number)
            operators.append(OPERATORS[token])
            number = None
        elif token not in FILLER and (token != "-"):
            return [], [], None
    return values, operators, number


def _value(token: str) -> Fraction | None:
    if token[0].isdigit():
        return Fraction(token)
    if token in UNITS:
        return Fraction(UNITS.index(token))
    return Fraction(10 * (TENS.index(token) + 2)) if token in TENS else None


def _evaluate(values: list[Fraction], operators: list[str]) -> Fraction:
    terms = [values[0]]
    for operator, value in zip(operators, values[1:], strict=True):
        if operator == "*":
            terms[-1] *= value
        elif operator == "/":
            terms[-1] /= value
        else:
            terms.append(value if operator == "+" else -value)
    return sum(terms, Fraction(0))


def _spoken(value: Fraction) -> str:
    sign = "minus " if value < 0 else ""
    value = abs(value)
    if value.denominator == 1:
        return f"{sign}{value.numerator}"
    number = f"{float(value):.3f}".rstrip("0")
    return f"{sign}{number}" if Fraction(number) == value else f"about {sign}{number}"
