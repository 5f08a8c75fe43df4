"""Every committed benchmark record is of the published form, and names a script that is there."""

import json
import shlex
from pathlib import Path

import jsonschema
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RECORDS = sorted((FOLDER / "results").glob("*.json"))


def test_there_are_records():
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_fits_the_schema(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(record, json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")))
    assert record["name"] == path.stem
    script = shlex.split(record["command"])[1]
    assert (FOLDER.parent / script).is_file()
