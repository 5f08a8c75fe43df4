r"""Format numbers, intervals and p-values as text, and escape untrusted text for terminals, pages, XML and CSV.

A name may hold whatever a file system lets through: terminal escapes, line breaks, marks that turn the direction of writing.
None of them is ever printed; each is shown as Python would write it, as ``\x1b``.
"""

import math
import re
from typing import Final

# Controls, surrogates and line breaks; marks of format but the joiners of scripts and emoji (200C, 200D); what XML 1.0 forbids.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)([eE][-+]?\d+)?(\s?%)?")


def printable(text: object) -> str:
    r"""Write a text in one line that is safe on a terminal, in a page or in XML: all else becomes ``\x1b`` or ``\u202e``."""
    return _UNSAFE.sub(_escaped, str(text))


def printable_lines(text: str) -> str:
    r"""Escape each line of a text as `printable` does, but keep line breaks and tabs."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), text)


def xml_text(text: str) -> str:
    r"""Escape the characters that XML 1.0 cannot hold in any form (https://www.w3.org/TR/xml/#charsets)."""
    return _NOT_XML.sub(_escaped, text)


def printable_json(text: str) -> str:
    """Escape what could affect a terminal in a JSON document, where it stands in strings alone; its meaning stays."""

    def escaped(found: re.Match[str]) -> str:
        if found[0] in "\n\t\r":
            return found[0]
        units = found[0].encode("utf-16-be", "surrogatepass").hex()
        return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))

    return _UNSAFE.sub(escaped, text)


def cell(value: object) -> object:
    """Guard a CSV cell against being read as a formula: a text that begins like one gets an apostrophe before it.

    Formulas begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return (OWASP, CSV injection,
    https://owasp.org/www-community/attacks/CSV_Injection). Numbers stay numbers; `unguarded` takes the apostrophe away.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unguarded(text: str) -> str:
    """Return a cell's text without the apostrophe that `cell` added."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def written_out(character: str) -> str:
    r"""Escape one character as Python does (``\x1b``); a byte of a file's name that is not UTF-8 becomes ``\xff``."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it in names of files
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _escaped(found: re.Match[str]) -> str:
    return written_out(found[0])


NOT_KNOWN: Final = "not known yet"


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits; "–" if it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e9):
        return f"{value:.{digits - 1}e}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def format_interval(value: float | None, low: float | None, high: float | None, form: str = ".2f") -> str:
    """Write a number with its interval, if it has one; "–" if the number is undefined."""
    if value is None:
        return "–"
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def says_nothing(low: float | None, high: float | None) -> bool:
    """Return whether a mean performance is not known yet: its interval is wider than half the scale."""
    return low is not None and high is not None and high - low > 0.5


def format_estimate(value: float | None, low: float | None, high: float | None, *, doubted: bool = False) -> str:
    """Write an estimated mean performance: in brackets if doubted, "not known yet" if its interval is too wide."""
    if says_nothing(low, high):
        return NOT_KNOWN
    text = format_interval(value, low, high)
    return f"({text})" if doubted and value is not None else text


def format_p(value: float | None) -> str:
    """Write a p-value with three decimals: "<0.001" below, "–" if undefined."""
    if value is None:
        return "–"
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def p_text(value: float) -> str:
    """Write a p-value as an equation or inequality: "p = 0.042", or "p < 0.001"."""
    return "p < 0.001" if value < 0.0005 else f"p = {value:.3f}"


def signed(value: float | None, decimals: int = 2) -> str:
    """Write a change with its sign; no sign if it rounds to 0, "–" if it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def times(value: float) -> str:
    """Write a ratio with "×": two decimals below 10, three significant digits from 10 on."""
    return f"{value:.2f}×" if abs(value) < 10 else f"{format_number(value, 3)}×"


def share(value: float) -> str:
    """Write a share as a whole percentage, but "under 1 %" or "over 99 %" where it would round to 0 or 100."""
    if 0 < value <= 0.005:
        return "under 1 %"
    if 0.995 <= value < 1:
        return "over 99 %"
    return f"{100 * value:.0f} %"


def share_interval(value: float, low: float | None, high: float | None) -> str:
    """Write a share with its interval, if it has one, in whole percentages."""
    return share(value) if low is None or high is None else f"{share(value)} [{share(low)}, {share(high)}]"


def percentage_of(value: float) -> str:
    """Write a share as a percentage with the digits that it was given, at most six.

    >>> percentage_of(0.975), percentage_of(0.9)
    ('97.5 %', '90 %')
    """
    return f"{100 * value:.6g} %"


def duration(seconds: float) -> str:
    """Write a duration in at most two units: hours and minutes, minutes and seconds, or seconds."""
    whole = round(seconds)
    if whole < 1:
        return "below 1 s"
    if whole < 60:
        return f"{whole} s"
    minutes, left = divmod(whole, 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size_text(count: float) -> str:
    """Write a number of bytes in the largest decimal unit that fits."""
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count:.0f} B"


def in_units(text: str, unit: str, *names: str) -> str:
    """Call images what they are, such as "slice", in a sentence, but for the names of datasets that stand in it.

    >>> in_units("new-images: mean F, of 20 images", "slice", "new-images")
    'new-images: mean F, of 20 slices'
    """
    kept = "|".join([*map(re.escape, filter(None, names)), r"(\b)image(s?)\b"])
    return re.sub(kept, lambda found: found[0] if found[1] is None else f"{unit}{found[2]}", text)


def per(measure: str, unit: str) -> str:
    """Name what a measure is a mean over, unless over images: "F per slice"."""
    return measure if unit == "image" else f"{measure} per {unit}"
