"""Files appear whole or not at all, also where two write the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from howfar.io.atomic import TEMPORARY, appearing, replace, replace_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note"
    replace_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(path, fail)
    with pytest.raises(KeyboardInterrupt), appearing(path):
        raise KeyboardInterrupt
    assert [one.name for one in tmp_path.iterdir()] == ["note"]
    assert path.read_text() == "old"


def test_two_writers_of_one_file_do_not_take_each_others(tmp_path: Path) -> None:
    path = tmp_path / "note"

    def slow(temporary: Path) -> None:
        temporary.write_text("first")
        replace(path, lambda other: other.write_text("second"))
        assert path.read_text() == "second"
        assert temporary.read_text() == "first"

    replace(path, slow)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_text(path, "x")
    assert path.read_text() == "x"


def test_what_is_being_written_is_hidden_and_known_by_its_ending(tmp_path: Path) -> None:
    with appearing(tmp_path / "note"):
        (temporary,) = tmp_path.iterdir()
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(TEMPORARY)
