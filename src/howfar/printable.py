r"""Make text from outside, such as the name of an image, safe to print, to draw and to write into XML, lists and spreadsheets.

A name may hold whatever a file system lets through: terminal escapes, line breaks, marks that turn the direction of writing.
None of them is ever printed; each is shown as Python would write it, as ``\x1b``.
"""

from __future__ import annotations

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
    r"""Write a text in one line that does nothing to a terminal, a page or an XML file but show itself.

    Controls, line breaks, marks that turn the direction of writing, invisible marks and surrogates become ``\x1b``, ``\n`` or
    ``\u202e``; bytes of a file's name that are not UTF-8 become ``\xff``. All else stays, in every script.

    Examples
    --------
    >>> printable("a\x1b[31m\nb.png"), printable("道路 🛣 é.png"), printable("bad\udcff.jpg")
    ('a\\x1b[31m\\nb.png', '道路 🛣 é.png', 'bad\\xff.jpg')
    """
    return _UNSAFE.sub(_escaped, str(text))


def printable_lines(text: str) -> str:
    r"""Write a text of several lines as `printable` does each of them; line breaks and tabs stay.

    Examples
    --------
    >>> printable_lines("one\ntwo\u202e")
    'one\ntwo\\u202e'
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), text)


def xml_text(text: str) -> str:
    r"""Write out what XML 1.0 cannot hold, not even escaped (https://www.w3.org/TR/xml/#charsets); all else stays.

    Examples
    --------
    >>> xml_text("a\x1b.png"), xml_text("a\u202e&.png") == "a\u202e&.png"
    ('a\\x1b.png', True)
    """
    return _NOT_XML.sub(_escaped, text)


def printable_json(text: str) -> str:
    r"""Write a JSON document so that it means the same and holds no character that would do something to a terminal.

    Such characters stand within strings alone, where JSON has an escape for each.

    Examples
    --------
    >>> printable_json('{"image": "a\x9b31m.png"}')
    '{"image": "a\\u009b31m.png"}'
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t\r" else _json_escape(found[0]), text)


def cell(value: object) -> object:
    """Guard a cell of a CSV file against being taken for a formula: a text that begins as one gets an apostrophe before it.

    Formulas begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return (OWASP, CSV injection,
    https://owasp.org/www-community/attacks/CSV_Injection). Numbers stay numbers; `unguarded` takes the apostrophe away.

    Examples
    --------
    >>> cell("=1+1.png"), cell("'=a"), cell("-0.5"), cell(-0.5), cell("roads")
    ("'=1+1.png", "''=a", '-0.5', -0.5, 'roads')
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unguarded(text: str) -> str:
    """Return what a cell said before `cell` guarded it.

    Examples
    --------
    >>> unguarded("'=1+1.png"), unguarded("''=a"), unguarded("'tis")
    ('=1+1.png', "'=a", "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def written_out(character: str) -> str:
    r"""Write one character as Python would, as ``\x1b``; a byte of a file's name that is not UTF-8 as ``\xff``.

    Examples
    --------
    >>> written_out("\n"), written_out("\udcff")
    ('\\n', '\\xff')
    """
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it in names of files
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _escaped(found: re.Match[str]) -> str:
    return written_out(found[0])


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
