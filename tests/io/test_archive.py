"""Archives, and files that appear whole or not at all."""

import errno
import fcntl
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from howfar.errors import InputError, MissingPathError, StoreError
from howfar.io import file_locks
from howfar.io.array_files_and_archives import read, read_array, read_header, write
from howfar.io.atomic_writes import TEMPORARY, appearing, replace, replace_text
from howfar.io.file_locks import alone, held, locked
from howfar.io.partial_results import remove_abandoned

MANIFEST = {"kind": "note", "ü": [1, None, {"x": 0.1}]}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(4, 3)),
        "single": rng.normal(size=5).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "nothing": np.empty((0, 7)),
        "number": np.array(3),
        "z.y": np.array([True, False]),
    }


def npy(array: Any, pickled: bool = False) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=pickled)
    return data.getvalue()


def line(file: Path) -> str:
    with pytest.raises(StoreError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file} is no profile or other archive of howfar")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "one.zip", MANIFEST, arrays())
    return tmp_path / "one.zip"


def test_what_was_written_is_read_bit_for_bit(file: Path) -> None:
    manifest, found = read(file)
    assert manifest == MANIFEST
    assert list(found) == list(arrays())
    for name, array in arrays().items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)
    assert [path.name for path in file.parent.iterdir()] == ["one.zip"]


def test_any_unzipper_finds_json_and_npy_and_howfar_leaves_other_members_alone(file, monkeypatch):
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", *(f"{name}.npy" for name in arrays())]
        assert json.loads(archive.read("manifest.json")) == MANIFEST
        assert "ü" in archive.read("manifest.json").decode()
        np.testing.assert_array_equal(np.load(archive.open("x.npy"), allow_pickle=False), arrays()["x"])
    monkeypatch.setattr("time.time", lambda: 2e9)
    write(file.with_name("again.zip"), MANIFEST, arrays())
    assert file.with_name("again.zip").read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("notes.txt", "a text")
    assert list(read(file)[1]) == list(arrays())


@pytest.mark.parametrize(
    ("manifest", "array"),
    [({"x": float("nan")}, np.arange(3)), ({}, np.array([{}], dtype=object)), ({"x": {1, 2}}, np.arange(3))],
)
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(file: Path, manifest: Any, array: np.ndarray) -> None:
    before = file.read_bytes()
    with pytest.raises((ValueError, TypeError)):
        write(file, manifest, {"x": array})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["one.zip"]


def test_a_place_that_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("in the way")
    for path, why in ((tmp_path / "no/one.zip", "No such file or directory"), (tmp_path / "text/one.zip", "Not a directory")):
        with pytest.raises(InputError) as caught:
            write(path, {}, {})
        assert str(caught.value) == f"file must be one that can be written ({why}), got '{path}'"
    with pytest.raises(MissingPathError, match=r"nothing at /no/such\.zip: check the path"):
        read(Path("/no/such.zip"))
    with pytest.raises(InputError, match=r"must be a profile or another archive of howfar, got '.*, a folder': name the file"):
        read(tmp_path)


def failing(times: int, read: Callable[..., Any]) -> Callable[[BinaryIO], Any]:
    """NumPy's reader, which some times meets what Python 3.11 raises where two threads parse at once."""
    left = [times]

    def reader(stream: BinaryIO) -> Any:
        found = read(stream)
        if left[0]:
            left[0] -= 1
            raise SystemError("AST constructor recursion depth mismatch (before=48, after=45)")
        return found

    return reader


COLUMNS = np.zeros(2, dtype=[(f"column {k}", "f8") for k in range(9)])


@pytest.mark.parametrize(
    ("manifest", "array", "words"),
    [
        (None, None, "KeyError: \"There is no item named 'manifest.json' in the archive\""),
        ("{", None, "JSONDecodeError"),
        (b"\xff", None, "UnicodeDecodeError"),
        ("[1]", None, "its manifest is no JSON object"),
        ("{}", b"", "(ValueError: it does not begin"),
        ("{}", b"text that is no array", "(ValueError"),
        ("{}", npy(np.arange(9))[:-5], "(ValueError"),
        ("{}", npy(np.array([{}], object), True), "it holds object, not plain numbers"),
        ("{}", npy(COLUMNS).replace(b"'descr'", b"'d\nscr'"), "(ValueError"),
    ],
)
def test_members_that_are_not_what_they_should_be(manifest: Any, array: bytes | None, words: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name, data in (("manifest.json", manifest), ("x.npy", array)):
            if data is not None:
                archive.writestr(name, data)
    told = line(tmp_path / "odd.zip")
    assert words in told
    assert len(told.partition("(ValueError: ")[2]) <= 121


def test_a_text_and_a_cut_file_are_no_archives(file: Path) -> None:
    data = file.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 3):
        file.write_bytes(data[:length])
        assert "damaged" in line(file)


def test_a_packed_manifest_that_was_changed_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "one.zip"
    write(file, {"text": "a long text " * 50}, {})
    data = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        length = archive.getinfo("manifest.json").compress_size
    start = data.index(b"manifest.json") + len("manifest.json")
    for place in range(start, start + length):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        assert "damaged" in line(file)


def test_a_locked_or_strangely_packed_member_is_no_archive_of_ours(file: Path) -> None:
    data = file.read_bytes()
    header, entry = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    # The flag of encryption, then a packing that nobody knows: in the member's own header and in the directory.
    locked = bytearray(data)
    locked[header + 6] |= 1
    locked[entry + 8] |= 1
    file.write_bytes(locked)
    assert "RuntimeError" in line(file)
    packed = bytearray(data)
    packed[header + 8] = packed[entry + 10] = 77
    file.write_bytes(packed)
    assert "NotImplementedError" in line(file)


@pytest.mark.parametrize("times", [0, 1, 2, 9])
def test_a_parser_that_another_thread_disturbed_is_asked_again(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, parse = npy(np.eye(3)), np.lib.format.read_array_header_1_0
    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", failing(times, parse))
    if times < 3:
        assert read_header(io.BytesIO(data), len(data)).shape == (3, 3)
        assert read_array(data).tolist() == np.eye(3).tolist()
    else:
        with pytest.raises(ValueError, match="its header is damaged: AST constructor"):
            read_header(io.BytesIO(data), len(data))


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


def test_what_a_killed_writer_left_goes_with_the_next_and_a_living_writers_stays(tmp_path: Path) -> None:
    names = [f".{'0a' * 8}{TEMPORARY}", f".{'0b' * 8}{TEMPORARY}", f".notes{TEMPORARY}"]
    left, living, foreign = (tmp_path / name for name in names)
    for path in (left, living, foreign):
        path.touch()
    with locked(living):
        replace_text(tmp_path / "note", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([living, foreign, tmp_path / "note"])


def test_what_is_being_written_is_hidden_and_known_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)  # as long as the system allows
    with appearing(path) as file:
        (temporary,) = tmp_path.iterdir()
        assert (temporary.name[0], temporary.suffix) == (".", TEMPORARY)
        file.write(b"x")
    assert path.read_text() == "x"


def test_those_who_share_a_folder_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True), locked(tmp_path, shared=True), alone(tmp_path) as free:
        assert not free
    with alone(tmp_path) as free, alone(tmp_path, otherwise=True) as other:
        assert (free, other) == (True, False)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), PermissionError("no"), None])
def test_where_files_cannot_be_locked_everybody_is_let_in(error, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        assert error is not None
        raise error

    path = tmp_path / "door"
    path.write_text("busy")
    if error is None:
        monkeypatch.setattr(file_locks, "fcntl", None)
    else:
        monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(path), alone(path) as first, alone(path) as second, alone(path, otherwise=False) as unknown:
        assert (first, second, unknown) == (True, True, False)
        assert held(path) is None
    (tmp_path / "0123.state").touch()
    remove_abandoned(tmp_path)
    assert (tmp_path / "0123.state").exists()
