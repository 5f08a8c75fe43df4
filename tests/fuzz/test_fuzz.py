"""Damaged files of every kind that is read: howfar's own errors in one line, in time, and in the memory that is stated."""

from pathlib import Path

import pytest

from fuzz.cases import READ, REFUSED, Bench
from fuzz.corpus import kept
from fuzz.mutations import BY_ENDING
from fuzz.readers import READERS, Reader

CASES = 30
FINE = (READ, REFUSED)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damaged_files_are_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    bench = Bench(reader, tmp_path / "files")
    assert READ in {outcome.kind for outcome in bench.warm()}
    count = 3 if reader.slow else CASES
    faults = [(number, outcome) for number in range(count) if (outcome := bench.run(number)).kind not in FINE]
    assert not faults


@pytest.mark.parametrize(
    ("reader", "seed", "file", "path"), list(kept()), ids=lambda given: given.name if isinstance(given, Path) else ""
)
def test_files_that_once_broke_a_reader(reader: Reader, seed: dict[str, bytes], file: str, path: Path, tmp_path: Path) -> None:
    assert Bench(reader, tmp_path / "files").run_on(seed, file, path.read_bytes()).kind in FINE


def test_a_case_is_the_same_again(tmp_path: Path) -> None:
    for reader in READERS:
        if not reader.slow:
            bench = Bench(reader, tmp_path / reader.name)
            assert bench.case(7)[1:] == bench.case(7)[1:]


def test_faults_are_noticed(tmp_path: Path) -> None:
    def fails(folder: Path) -> object:
        raise KeyError(folder)

    def never_ends(folder: Path) -> object:
        while True:
            pass

    seeds = READERS[0].seeds
    assert Bench(Reader("a", seeds, fails), tmp_path / "a").run(0).kind == "traceback"
    slow = Bench(Reader("b", seeds, never_ends), tmp_path / "b")
    slow.seconds = 0.05
    assert slow.run(0).kind == "hang"


def test_structure_is_damaged_where_there_is_one() -> None:
    assert {".json", ".csv", ".toml", ".yaml", ".xml", ".png", ".npy", ".tar", ".zip", ".parquet", ".arrow"} <= set(BY_ENDING)
