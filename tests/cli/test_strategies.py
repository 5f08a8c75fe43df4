"""`howfar strategies` lists every strategy, what it reads and what the record shows of it."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from howfar import registry
from howfar.cli.main import app
from howfar.selection import named
from howfar.selection.evidence import evidence, summaries


def test_every_strategy_is_listed_with_what_the_record_shows() -> None:
    done = CliRunner().invoke(app, ["strategies"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    for name in registry.names("strategies"):
        line = next(line for line in lines if line.split()[:1] == [name])
        assert evidence(name).line in line
        assert (", ".join(named(name).needs) or "–") in line
    assert all(line.partition(",")[0] in done.stdout for line in summaries())


def test_json_is_one_document() -> None:
    done = CliRunner().invoke(app, ["strategies", "--json"])
    document = json.loads(done.stdout)
    assert document["summary"] == " ".join(summaries())
    rows = {row["name"]: row for row in document["strategies"]}
    assert set(rows) == set(registry.names("strategies"))
    assert rows["objects"]["needs"] == ["regions"]
    assert rows["ridge_response"]["line"].startswith("worse than random in the record: -0.037 [")
    assert rows["kcenter"]["over_random"] == evidence("kcenter").over_random
    assert rows["kcenter"]["beats_random"] is False
