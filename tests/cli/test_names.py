"""Names of images and datasets that hold terminal escapes, markup, line breaks or formulas, through the whole command line."""

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from howfar.cli.main import run
from howfar.cli.printing import console, print_table
from howfar.data import Dataset
from howfar.data.image_tables_and_lists import match_list, read_list
from howfar.demo import write_dataset
from howfar.progress import bar

EVIL = (
    "=cmd|' C'!A0.png",
    "a\x1b[2J\x1b]0;owned\x07.png",
    "b\nroot.png",
    "c\u202egnp.png",
    "[red]d[bold].png",
    "ひび🛣.png",
    "e\x9b31m\x85.png",
)
HARMFUL = ("\x1b", "\x07", "\x9b", "\x85", "\u202e")


QUIET = ("--backbone", "colour_moments", "--bootstrap", "0", "--permutations", "0", "--no-baselines")
SITE = "si[bold]te 道路"


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Path, str, str]:
    """A run of two datasets with such names, in a folder beside them, and what `howfar compare` printed."""
    folder = tmp_path_factory.mktemp("names")
    write_dataset(folder / "roads", 8, seed=0, size=32)
    site = write_dataset(folder / SITE, len(EVIL), seed=1, shift=0.5, size=32)
    for picture, name in zip(sorted((site / "images").iterdir()), EVIL, strict=True):
        picture.rename(picture.with_name(name))
    shutil.rmtree(site / "masks")
    (site / "images" / "broken\x1b[7m.png").write_bytes(b"not a picture")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert run([*command(folder), "--out", str(folder / "run")]) == 0
    return folder / "run", out.getvalue(), err.getvalue()


def command(folder: Path) -> list[str]:
    return ["compare", str(folder / "roads"), str(folder / SITE), *QUIET, "--store", str(folder / "store")]


def harmless(text: str) -> bool:
    return not any(letter in text for letter in HARMFUL)


def test_names_are_printed_written_out_and_json_means_the_same(compared, capfd):
    folder, out, err = compared
    assert harmless(out + err)
    assert SITE in out
    assert r"broken\x1b[7m.png" in out
    assert run([*command(folder.parent), "--json"]) == 0
    document = capfd.readouterr().out
    assert harmless(document)
    assert json.loads(document)["datasets"][0]["name"] == SITE


def test_the_report_and_its_figures_hold_no_control(compared):
    folder = compared[0]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert harmless(page)
    assert r"\x1b" in page
    drawn = list((folder / "figures").glob("*.svg"))
    assert drawn
    for file in drawn:
        ElementTree.parse(file)


def test_a_selection_has_one_line_an_image_and_guards_formulas(compared, capfd):
    folder = compared[0]
    out = folder.parent / "chosen"
    assert run(["select", str(folder), "--dataset", SITE, "-k", str(len(EVIL)), "--strategy", "random", "--out", str(out)]) == 0
    printed = capfd.readouterr()
    assert harmless(printed.out + printed.err)
    assert "Glyph" not in printed.err
    listed = read_list(out / "chosen.txt")
    assert len((out / "chosen.txt").read_text(encoding="utf-8").splitlines()) == len(EVIL) == len(listed)
    paths = [str(folder.parent / SITE / "images" / name) for name in EVIL]
    assert sorted(row for row in match_list(listed, list(EVIL), paths) if row is not None) == list(range(len(EVIL)))
    with (out / "chosen.csv").open(encoding="utf-8", newline="") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    assert "'=cmd|' C'!A0.png" in names
    assert not any(name.startswith(("=", "+", "-", "@")) for name in names)
    assert {Path(item.path).name for item in Dataset.from_table(out / "chosen.csv").items} == set(EVIL)
    images = list(ElementTree.parse(out / "cvat.xml").iter("image"))
    assert len(images) == len(EVIL)


def test_an_error_line_prints_no_escape(capfd):
    assert run(["compare", "no\x1b[31m/such", "no\x1b[31m/such"]) == 2
    printed = capfd.readouterr().err
    assert r"no\x1b[31m/such" in printed
    assert harmless(printed)
    assert len(printed.splitlines()) == 1


def test_tables_print_markup_and_escapes_as_text(capfd):
    print_table(console(), ("set", "n"), [("[red]a[/]\x1b[1m", "1"), ("b\nc", "2")])
    assert capfd.readouterr().out.splitlines() == ["set               n", r"[red]a[/]\x1b[1m  1", r"b\nc              2"]


def test_a_progress_bar_prints_no_escape(capfd, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    list(bar([1], desc="predicting a\x1b[31m\n"))
    printed = capfd.readouterr().err
    assert r"a\x1b[31m\n" in printed
    assert harmless(printed)


def test_a_table_that_is_too_wide_drops_what_it_can_do_without_one_column_after_another(capsys):
    header, row = ("set", "aaaaaaaa", "bbbbbbbb", "cccccccc"), ("roads", "1", "2", "3")
    for width, dropped in ((35, ()), (34, header[2:3]), (25, header[2:3]), (24, header[2:])):
        to = console()
        to.width = width
        print_table(to, header, [row], ("bbbbbbbb", "cccccccc"))
        first, _, *said = capsys.readouterr().out.splitlines()
        assert first.split() == [name for name in header if name not in dropped]
        assert " ".join(" ".join(said).split()) == (f"left out for want of width: {', '.join(dropped)}" if dropped else "")
