"""`howfar data`, `strategies` and `explain` as a user runs them: lists, entries, a folder checked, and the exit codes."""

import json

from typer.testing import CliRunner

from howfar import registry
from howfar.cli.main import app, run
from howfar.demo import write_dataset
from howfar.selection import named
from howfar.selection.evidence import evidence, summaries


def test_a_folder_that_differs_leaves_with_1(tmp_path, capsys):
    folder = write_dataset(tmp_path / "roads", 3, seed=0, size=64)
    assert run(["data", "crkwh100", str(folder)]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "off: 3 images, the paper has 100",
        "right: 3 masks, one for each image",
        "off: 3 images not of 512×512 pixels but 64×64",
    ]
    assert captured.err == ""
    assert run(["data", "crkwh100", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["dataset"], document["agrees"]) == ("crkwh100", "roads", False)
    assert document["findings"][1] == {"agrees": True, "text": "3 masks, one for each image"}


def test_every_strategy_is_listed_with_what_the_record_shows():
    done = CliRunner().invoke(app, ["strategies"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    for name in registry.names("strategies"):
        line = next(line for line in lines if line.split()[:1] == [name])
        assert evidence(name).line in line
        assert (", ".join(named(name).needs) or "–") in line
    assert all(line.partition(",")[0] in done.stdout for line in summaries())


def test_a_word(capsys):
    assert run(["explain", "self", "distance"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "self-distance (self_distance)"
    assert lines[-1] == "See also: relative. Documentation: docs/concepts/distances.md"
