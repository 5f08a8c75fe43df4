"""Write numbers, p-values, changes and shares as people read them."""

from __future__ import annotations

import math
from typing import Final

NOT_KNOWN: Final = "not known yet"


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a number for people: `digits` significant digits, "–" where undefined."""
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


def says_nothing(low: float | None, high: float | None) -> bool:
    """Tell whether the interval of a mean performance is wider than half the scale, so that the mean is not known yet."""
    return low is not None and high is not None and high - low > 0.5


def format_estimate(value: float | None, low: float | None, high: float | None, *, doubted: bool = False) -> str:
    """Write an estimated mean performance: in brackets where it is doubted, no number where the interval says nothing.

    Examples
    --------
    >>> format_estimate(0.5, 0.4, 0.6), format_estimate(0.5, 0.4, 0.6, doubted=True), format_estimate(0.5, 0.2, 0.8)
    ('0.50 [0.40, 0.60]', '(0.50 [0.40, 0.60])', 'not known yet')
    """
    if says_nothing(low, high):
        return NOT_KNOWN
    text = format_interval(value, low, high)
    return f"({text})" if doubted and value is not None else text


def format_p(value: float | None) -> str:
    """Write a p-value for people: three decimals, "<0.001" below, "–" where undefined."""
    if value is None:
        return "–"
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def p_text(value: float) -> str:
    """Write a p-value with its sign of equality: "p = 0.042", or "p < 0.001"."""
    return "p < 0.001" if value < 0.0005 else f"p = {value:.3f}"


def signed(value: float | None, decimals: int = 2) -> str:
    """Write a change with its sign; a change that rounds to 0 has none, an undefined one is "–"."""
    if value is None or math.isnan(value):
        return "–"
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def times(value: float) -> str:
    """Write a ratio with "×": two decimals, from 10 on three significant digits."""
    return f"{value:.2f}×" if abs(value) < 10 else f"{format_number(value, 3)}×"


def share(value: float) -> str:
    """Write a share as a whole percentage; one between none and all is "under 1 %" or "over 99 %", never rounded to either."""
    if 0 < value <= 0.005:
        return "under 1 %"
    if 0.995 <= value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"


def share_interval(value: float, low: float | None, high: float | None) -> str:
    """Write a share with its interval, where it has one, in whole percentages.

    Examples
    --------
    >>> share_interval(0.24, 0.03, 0.41), share_interval(0.5, None, None)
    ('24 % [3 %, 41 %]', '50 %')
    """
    return share(value) if low is None or high is None else f"{share(value)} [{share(low)}, {share(high)}]"


def percentage_of(value: float) -> str:
    """Write a setting that is a share as it was given, as a percentage.

    >>> percentage_of(0.975), percentage_of(0.9)
    ('97.5 %', '90 %')
    """
    return f"{100 * value:.6g} %"


def duration(seconds: float) -> str:
    """Write a time in the two units that fit it.

    Examples
    --------
    >>> duration(0.04), duration(12.3), duration(200), duration(7300)
    ('below 1 s', '12 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 1:
        return "below 1 s"
    if whole < 60:
        return f"{whole} s"
    minutes, left = divmod(whole, 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size_text(count: float) -> str:
    """Write a number of bytes in the largest decimal unit that fits.

    Examples
    --------
    >>> size_text(0), size_text(1234), size_text(5.6e9)
    ('0 B', '1.2 kB', '5.6 GB')
    """
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count:.0f} B"
