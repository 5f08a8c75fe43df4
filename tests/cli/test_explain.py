"""`howfar explain`: one word, all words, as JSON, and a word that is none."""

from __future__ import annotations

import pytest

from howfar.cli.main import run
from howfar.glossary import glossary


def test_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "self", "distance"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "self-distance (self_distance)"
    assert lines[-1] == "See also: relative. Documentation: docs/concepts/distances.md"


def test_all_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(term.name in printed for term in glossary())
