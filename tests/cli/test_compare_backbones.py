"""`howfar compare` with several backbones, as a user runs it."""

from __future__ import annotations

import os

from howfar.cli.main import run
from howfar.results.backbones_result import BackboneComparison

QUICK = ("--bootstrap", "20", "--permutations", "0", "--components", "5")
BOTH = ("--backbone", "pixels", "--backbone", "colour_moments")


def test_prints_table_agreement_and_report(demo_folders, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["compare", *map(str, demo_folders[:3]), *BOTH, *QUICK, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "pixels and colour_moments: Spearman" in printed
    assert str(out / "report.html") in printed.replace("\n", "")
    found = BackboneComparison.load(out)
    assert found.backbones == ("pixels", "colour_moments")
    for cell in found.table()[1][0]:
        assert cell in printed
    (out / "report.html").unlink()
    assert run(["report", str(out)]) == 0
    assert (out / "report.html").is_file()
    assert (out / "pixels" / "report.html").is_file()


def test_of_several_results_in_a_folder_the_newest_is_drawn(demo_folders, tmp_path):
    out = tmp_path / "out"
    folders = list(map(str, demo_folders[:2]))
    assert run(["compare", *folders, *BOTH, *QUICK, "--out", str(out)]) == 0
    os.utime(out / "backbones.json", ns=(0, 0))
    assert run(["compare", *folders, "--backbone", "pixels", *QUICK, "--out", str(out)]) == 0
    expected = (out / "report.html").read_text()
    assert run(["report", str(out)]) == 0
    assert "Do backbones agree" not in expected
    assert "Do backbones agree" not in (out / "report.html").read_text()
