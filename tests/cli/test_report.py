"""`howfar report` as a user runs it: on a run and on an adaptation study; and what `howfar adapt` prints at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from figures.believable_adaptation import make
from howfar import registry
from howfar.cli.main import run
from howfar.results.adaptation_result import Adaptation


@pytest.fixture
def study(tmp_path, monkeypatch) -> tuple[Adaptation, Path]:
    """A small study in its folder, whose report draws one figure."""
    ours = registry.OURS["adaptation_figures"]
    monkeypatch.setitem(registry.OURS, "adaptation_figures", {"adaptation_gains": ours["adaptation_gains"]})
    options = {"seeds": (0,), "shots": (1,), "random_seeds": (), "background_shots": (), "blind": {}, "files": False}
    found = make(tmp_path, sizes={"roads": 5, "walls": 4}, **options)
    return found, found.save(tmp_path)


def test_a_study_is_recognised_by_its_file(study, capsys):
    _, folder = study
    assert run(["report", str(folder)]) == 0
    page = folder / "report.html"
    assert capsys.readouterr().out.split() == [str(page)]
    assert "What did labelling a few images gain?" in page.read_text(encoding="utf-8")
    assert (folder / "figures" / "gains.png").is_file()


def test_a_summary_holds_what_a_reader_sees_at_once(study, capsys):
    _, folder = study
    assert run(["report", str(folder), "--summary"]) == 0
    page, summary = map(Path, capsys.readouterr().out.split())
    assert summary == folder / "summary.html"
    whole, text = page.read_text(encoding="utf-8"), summary.read_text(encoding="utf-8")
    assert "What did labelling a few images gain?" in text
    assert 'id="figure-gains"' in text
    for beyond in ('<section id="made"', "<nav", "<script>"):
        assert beyond in whole
        assert beyond not in text


def test_a_damaged_study_is_one_line(study, capsys):
    _, folder = study
    (folder / "adaptation.json").write_text("{")
    assert run(["report", str(folder)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "run adapt again" in captured.err
