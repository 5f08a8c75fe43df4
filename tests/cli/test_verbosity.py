"""How much a command prints: the answer alone, what most readers need, or everything; and what a shell completes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.cli.printing import NOTES

pytestmark = pytest.mark.usefixtures("without_figures")
HOWFAR = str(Path(sys.executable).parent / "howfar")


@pytest.fixture
def sets(tmp_path) -> list[str]:
    """Write a primary set and five sets that hold images of it, each of which is a note."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(30, 4))
    np.save(tmp_path / "roads.npy", own)
    for number in range(5):
        np.save(tmp_path / f"site{number}.npy", rng.normal(number, 1, size=(5, 4)))
    return [str(tmp_path / "roads.npy"), *(str(tmp_path / f"site{number}.npy") for number in range(5))]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run(["compare", *words, "--bootstrap", "50", "--permutations", "99"]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_first_answer_is_four_columns_and_a_sentence_a_dataset(sets, capsys):
    lines = printed(capsys, *sets)
    assert lines[0] == (
        "Distance from roads (30 images) by embeddings; relative 1 is as far as images of roads are from each other"
    )
    assert " ".join(lines[1].split()) == "dataset n relative [95 % CI] beyond 95 % of roads"
    sentences = lines[7:12]
    assert [sentence.split()[0] for sentence in sentences] == [f"site{number}" for number in range(5)]
    assert sentences[4].startswith("site4 is ")
    assert "all of its images are unusual there" in sentences[4]
    assert "is not shown to be farther" in sentences[0]
    assert any(line.startswith("no report was written: --out RUN") for line in lines)
    found = howfar.compare(sets[0], sets[1:], bootstrap=50, permutations=99, progress=False)
    assert [line.split() for line in repr(found).splitlines()[:7]] == [line.split() for line in lines[:7]]
    every = printed(capsys, *sets, "--all")
    header = "dataset n O^dist (sum) O^dist (mean) row-scaled relative [95 % CI] energy p expl. var. beyond 95 %"
    assert " ".join(every[1].split()) == header
    assert not any("--all" in line for line in every)


def test_notes_are_condensed_verbose_prints_all_and_quiet_nothing_on_stderr(sets, capsys):
    usual, every, none = (printed(capsys, *sets, *words) for words in ([], ["--verbose"], ["--quiet"]))
    assert sum(line.startswith("note: ") for line in usual) == NOTES
    assert "and 3 more notes: --verbose prints them" in usual
    assert sum(line.startswith("note: ") for line in every) == 6
    assert not any("--verbose" in line for line in every)
    assert none == usual[:12]
    capsys.readouterr()
    printed_err = run(["compare", *sets, "--bootstrap", "0", "--permutations", "0", "--quiet"]), capsys.readouterr().err
    assert printed_err == (0, "")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("howfar comp", ["compare"]),
        ("howfar compare a b --backbone pix", ["pixels"]),
        ("howfar compare a b --conf", ["--config"]),
    ],
)
def test_a_shell_completes_commands_options_and_words(typed, wanted):
    asked = {"_HOWFAR_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = subprocess.run([HOWFAR], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == wanted
