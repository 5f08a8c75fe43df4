"""Numbers as people read them."""

from __future__ import annotations

import math


def format_number(value: float | None, digits: int = 4) -> str:
    """A number for people: `digits` significant digits, "–" where undefined.

    Examples
    --------
    >>> format_number(1.23456), format_number(123456.0), format_number(None)
    ('1.235', '123,456', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e9):
        return f"{value:.{digits - 1}e}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def format_p(value: float | None) -> str:
    """A p-value for people: three decimals, "<0.001" below, "–" where undefined.

    Examples
    --------
    >>> format_p(0.0001), format_p(0.20049)
    ('<0.001', '0.200')
    """
    if value is None:
        return "–"
    return "<0.001" if value < 0.0005 else f"{value:.3f}"
