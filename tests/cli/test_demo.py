"""`howfar demo` with few pictures and no figures: everything that it promises is written."""

from __future__ import annotations

from functools import partial

import howfar.demo
from howfar.cli.main import run
from howfar.results import Comparison, Relation


def test_the_whole_story_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(howfar.demo, "write_demo", partial(howfar.demo.write_demo, n_primary=8, n_secondary=3))
    monkeypatch.setattr("howfar.studies.performance.relate.draw", lambda _, folder, **__: folder / "report.html")
    out = tmp_path / "demo"
    assert run(["demo", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    names = [dataset.name for dataset in Comparison.load(out / "run").datasets]
    assert names == ["lighting", "texture", "wide_cracks", "clutter", "fabric"]
    assert all(name in printed.out for name in names)
    # Fabric has no masks, so that its performance is estimated alone.
    assert {dataset.name: dataset.scored for dataset in Relation.load(out / "run").datasets} == dict.fromkeys(names[:-1], 3)
    lines = printed.out.splitlines()
    assert len(lines) <= 22
    related = Relation.load(out / "run")
    held = sum(each.held for each in related.estimates if each.measured is not None)
    (told,) = [line for line in lines if line.startswith("F without labels: ")]
    assert told.startswith(f"F without labels: {held} of 4 intervals held the mean F that labels give")
    assert all((each.dataset in told) is not each.held for each in related.estimates if each.measured is not None)
    # It ends with what to do next.
    ahead = lines[lines.index("What next") + 1 :]
    assert ahead[0] == f"open the report: {out / 'run' / 'report.html'}"
    assert f"howfar score {out / 'pavement.howfar'} {out / 'data/fabric/images/0001.jpg'}" in ahead[2]
    assert [line.partition(":")[0] for line in ahead[3:]] == ["your own images", "your own model"]
    assert (out / "pavement.howfar").is_file()
