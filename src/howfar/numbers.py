"""Numbers as people read them."""

from __future__ import annotations

import math


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a number for people: `digits` significant digits, "–" where undefined.

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


def format_interval(value: float | None, low: float | None, high: float | None, form: str = ".2f") -> str:
    """Write a number with its interval, where it has one; "–" where the number is undefined.

    Examples
    --------
    >>> format_interval(0.5, 0.41, 0.6), format_interval(-0.1, None, None, "+.3f"), format_interval(None, None, None)
    ('0.50 [0.41, 0.60]', '-0.100', '–')
    """
    if value is None:
        return "–"
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def format_p(value: float | None) -> str:
    """Write a p-value for people: three decimals, "<0.001" below, "–" where undefined.

    Examples
    --------
    >>> format_p(0.0001), format_p(0.20049)
    ('<0.001', '0.200')
    """
    if value is None:
        return "–"
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def p_text(value: float) -> str:
    """Write a p-value with its sign of equality.

    Examples
    --------
    >>> p_text(0.042), p_text(0.0001)
    ('p = 0.042', 'p < 0.001')
    """
    return "p < 0.001" if value < 0.0005 else f"p = {value:.3f}"


def signed(value: float | None, decimals: int = 2) -> str:
    """Write a change with its sign; a change that rounds to 0 has none, an undefined one is "–".

    Examples
    --------
    >>> signed(0.123), signed(-0.5), signed(-0.001), signed(-0.0123, 3), signed(None)
    ('+0.12', '−0.50', '0.00', '−0.012', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def times(value: float) -> str:
    """Write a ratio for people.

    Examples
    --------
    >>> times(1.104), times(0.5), times(23.46)
    ('1.10×', '0.50×', '23.5×')
    """
    return f"{value:.2f}×" if abs(value) < 10 else f"{format_number(value, 3)}×"


def share(value: float) -> str:
    """Write a share as a percentage; a share between none and all is not rounded to either.

    Examples
    --------
    >>> share(0.143), share(0.0), share(0.0004), share(0.9996), share(1.0)
    ('14 %', '0 %', 'under 1 %', 'over 99 %', '100 %')
    """
    if 0 < value < 0.005:
        return "under 1 %"
    if 0.995 <= value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"
