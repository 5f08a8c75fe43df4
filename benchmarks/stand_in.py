"""Run examples/stand-in.toml from an empty folder, then again, and record what it found: docs/findings.md is made of this."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from record import leave, parser

import howfar
from howfar.report.study_report import leads

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from people import write_people

STUDY = Path(__file__).resolve().parents[1] / "examples" / "stand-in.toml"
PEOPLE = {
    "views": (1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34),
    "weathers": (1, 3, 5),
    "lights": (1, 4, 7),
    "scenes": (1, 3, 5, 7),
}


def tables(folder: Path) -> dict[str, Any]:
    """Read every table of a run folder: its columns, and rows of texts."""
    found = {}
    for file in sorted(folder.glob("*.csv")):
        header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
        found[file.stem] = {"columns": header, "rows": rows}
    return found


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--out", type=Path, required=True, help="run folder; empty, to measure the whole run")
    given = arguments.parse_args()
    people = given.out / "people"
    if not people.is_dir():
        write_people(people, **PEOPLE)
    os.environ["HOWFAR_PEOPLE"] = str(people.absolute())
    first = given.out / "first.json"
    if not first.is_file():
        begun = time.perf_counter()
        howfar.study(STUDY, out=given.out / "run")
        first.write_text(json.dumps(round(time.perf_counter() - begun, 1)), encoding="utf-8")
    begun = time.perf_counter()
    run = howfar.study(STUDY, out=given.out / "run")
    again = round(time.perf_counter() - begun, 1)
    results = {
        "seconds": {
            "first": json.loads(first.read_text(encoding="utf-8")),
            "again": again,
            "studies": {each.name: each.seconds for each in run.studies},
        },
        "leads": leads(run, given.out / "run"),
        "tables": tables(given.out / "run" / "tables"),
    }
    leave("stand_in", results, given.json)


if __name__ == "__main__":
    main()
