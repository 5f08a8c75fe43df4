"""Text from outside: nothing that is written of it does anything but show itself."""

import ast
import csv
import io
import json
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import howfar
from howfar import formatting_and_escaping
from howfar.formatting_and_escaping import cell, printable, printable_json, printable_lines, unguarded, xml_text

ANYTHING = st.text(st.characters())
PRINTS = {"printing.py", "main.py", "exit_codes.py"}
"""The files of howfar/cli through which text reaches the terminal."""


@given(ANYTHING)
def test_printable_text_is_one_line_without_a_command_to_the_terminal(text):
    shown = printable(text)
    kinds = {unicodedata.category(letter) for letter in shown if letter not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_every_script_stays_and_every_control_goes():
    assert printable("道路/ひび 🛣️ نقش‌ها é a\u0301") == "道路/ひび 🛣️ نقش‌ها é a\u0301"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x200F, 0xFEFF, 0x2028, 0xDC9B, 0xE0041):
        shown = printable(chr(code))
        assert {shown.isascii(), shown.isprintable()} == {True}, hex(code)


@given(ANYTHING)
def test_json_means_the_same_and_prints_nothing_raw(text):
    shown = printable_json(json.dumps({text: [text]}, ensure_ascii=False, indent=1))
    assert json.loads(shown) == {text: [text]}
    assert printable_lines(shown) == shown


@given(ANYTHING)
def test_xml_can_hold_what_is_written(text):
    element = ElementTree.Element("image", {"name": xml_text(text)})
    element.text = xml_text(text)
    assert ElementTree.fromstring(ElementTree.tostring(element, encoding="unicode")).tag == "image"


@given(ANYTHING | st.text("=+-@'\t\r0.x", max_size=6))
def test_a_guarded_cell_is_no_formula_and_is_read_back(text):
    guarded = cell(text)
    assert isinstance(guarded, str)
    assert unguarded(guarded) == (text if guarded != text else unguarded(text))
    if not guarded.lstrip("+-").replace(",", "").replace(".", "").replace("e", "").replace("E", "").rstrip("% ").isdecimal():
        assert guarded[:1] not in set("=@\t\r")


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "+1+cmd", "-1+1", "@SUM(1)", "\t=1", "\r=1", "-x.png", "=1"])
def test_formulas_get_an_apostrophe(formula):
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell(formula)])
    assert next(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == [f"'{formula}"]


def test_commands_print_through_the_files_that_write_names_out():
    """A command that called `print`, `typer.echo` or rich's Console itself would print a name raw."""
    folder = Path(howfar.__file__).parent / "cli"
    direct = []
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("print", "typer.echo", "typer.secho", "click.echo", "Console", "sys.stderr.write"):
                direct.append(f"{file.name}:{node.lineno}: {called}")
    assert [line for line in direct if line.partition(":")[0] not in PRINTS] == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formatting_and_escaping.format_interval(0.5, 0.41, 0.6), "0.50 [0.41, 0.60]"),
        (formatting_and_escaping.format_interval(-0.1, None, None, "+.3f"), "-0.100"),
        (formatting_and_escaping.format_interval(None, None, None), "–"),
        (formatting_and_escaping.format_estimate(0.5, 0.4, 0.6), "0.50 [0.40, 0.60]"),
        (formatting_and_escaping.format_estimate(0.5, 0.4, 0.6, doubted=True), "(0.50 [0.40, 0.60])"),
        (formatting_and_escaping.format_estimate(0.5, 0.2, 0.8), "not known yet"),
        (formatting_and_escaping.share_interval(0.24, 0.03, 0.41), "24 % [3 %, 41 %]"),
        (formatting_and_escaping.percentage_of(0.975), "97.5 %"),
        (formatting_and_escaping.duration(0.04), "below 1 s"),
        (formatting_and_escaping.duration(200), "3 min 20 s"),
        (formatting_and_escaping.duration(7300), "2 h 1 min"),
        (formatting_and_escaping.size_text(0), "0 B"),
        (formatting_and_escaping.size_text(1234), "1.2 kB"),
        (formatting_and_escaping.size_text(5.6e9), "5.6 GB"),
        # A number has four significant digits, and a ratio three.
        (formatting_and_escaping.format_number(1.23456), "1.235"),
        (formatting_and_escaping.format_number(123456.0), "123,456"),
        (formatting_and_escaping.format_number(0.00001234567), "1.235e-05"),
        (formatting_and_escaping.format_number(None), "–"),
        (formatting_and_escaping.times(1.104), "1.10×"),
        (formatting_and_escaping.times(0.5), "0.50×"),
        (formatting_and_escaping.times(23.46), "23.5×"),
        # A small p-value is below a thousandth.
        (formatting_and_escaping.format_p(0.0001), "<0.001"),
        (formatting_and_escaping.p_text(0.0001), "p < 0.001"),
        (formatting_and_escaping.format_p(0.20049), "0.200"),
        (formatting_and_escaping.p_text(0.20049), "p = 0.200"),
        (formatting_and_escaping.format_p(None), "–"),
        # A change that rounds to nothing has no sign.
        (formatting_and_escaping.signed(0.123, 2), "+0.12"),
        (formatting_and_escaping.signed(-0.5, 2), "−0.50"),
        (formatting_and_escaping.signed(-0.001, 2), "0.00"),
        (formatting_and_escaping.signed(-0.0123, 3), "−0.012"),
        (formatting_and_escaping.signed(None, 2), "–"),
        # A share between none and all is neither.
        (formatting_and_escaping.share(0.143), "14 %"),
        (formatting_and_escaping.share(0.0), "0 %"),
        (formatting_and_escaping.share(0.0004), "under 1 %"),
        (formatting_and_escaping.share(0.005), "under 1 %"),
        (formatting_and_escaping.share(0.9996), "over 99 %"),
        (formatting_and_escaping.share(1.0), "100 %"),
    ],
)
def test_numbers_are_written_as_people_read_them(written, expected):
    assert written == expected
