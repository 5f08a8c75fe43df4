"""Run the tests that kill, fill and change what howfar works on, and record each fault: how often tried, and what was lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from record import leave, parser

TESTS = Path(__file__).resolve().parents[1] / "tests"
RECORD, KILLS = "HOWFAR_TESTS_RECORD_FAULTS", "HOWFAR_TESTS_KILLS"
"""Environment variables of the tests: the file to which outcomes are added, and how often each stage is killed."""
PLACES = ("faults", "pipeline/test_together.py")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--kills", type=int, default=2, help="how often each stage is killed")
    options.add_argument("--outcomes", type=Path, help="take these outcomes of tests that were run already")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        outcomes = arguments.outcomes or Path(scratch) / "outcomes.jsonl"
        if arguments.outcomes is None:
            run(outcomes, arguments.kills)
        lines = [json.loads(line) for line in outcomes.read_text(encoding="utf-8").splitlines()]
    faults = grouped(lines)
    leave("faults", {"faults": faults, "tried": sum(fault["tried"] for fault in faults)}, arguments.json)


def run(outcomes: Path, kills: int) -> None:
    environment = {**os.environ, RECORD: str(outcomes), KILLS: str(kills)}
    places = [str(TESTS / place) for place in PLACES]
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", *places], env=environment, cwd=TESTS.parent, check=True)


def grouped(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add up the outcomes of one fault at one place, and name the tests that saw them."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in lines:
        key = (line["fault"], line["where"], line["seen"])
        test = line["test"].partition("[")[0]
        entry = sums.setdefault(key, {"fault": key[0], "where": key[1], "tried": 0, "lost": 0, "seen": key[2], "test": test})
        entry["tried"] += line["tried"]
        entry["lost"] += line["lost"]
    return [sums[key] for key in sorted(sums)]


if __name__ == "__main__":
    main()
