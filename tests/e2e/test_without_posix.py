"""Where there is no POSIX: every module is imported, and commands run although files that are open cannot be replaced."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from howfar.cli.choosing_and_labelling_commands import folder_name
from howfar.data import annotation_packing
from howfar.data.annotation_formats import address
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.io import atomic_writes, file_locks
from howfar.studies.corruption import PredictCommand

TESTS = Path(__file__).resolve().parents[1]
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from without_posix import pretend
pretend()
import importlib, pkgutil
import howfar
for module in pkgutil.walk_packages(howfar.__path__, "howfar."):
    importlib.import_module(module.name)
from howfar.cli.main import run
from howfar.demo import write_demo
folder = Path(sys.argv[2])
write_demo(folder / "data", seed=0, n_primary=12, n_secondary=6)
data, store = folder / "data", folder / "store"
TRAIN = ("--model deepcrack --option width=4 --weights none --size 32 --batch 4 --epochs 1 --device cpu").split()
COMPARE = "--backbone colour_moments --no-baselines --no-rivals --bootstrap 20 --permutations 19".split()
def howfar_(*words):
    code = run([str(word) for word in words])
    print("exit", code, *words[:2], file=sys.stderr)
    if code:
        sys.exit(code)
for again in range(2):
    howfar_("compare", data / "pavement", data / "lighting", *COMPARE, "--store", store, "--out", folder / "run")
howfar_("select", folder / "run", "--dataset", "lighting", "-k", "3", "--strategy", "random", "--with-images", "link")
for again in range(2):
    howfar_("train", data / "pavement", *TRAIN, "-o", folder / "m.safetensors")
howfar_("predict", folder / "m.safetensors", data / "lighting", "-o", folder / "maps")
howfar_("evaluate", data / "lighting", "--predictions", folder / "maps", "-o", folder / "lighting.parquet")
howfar_("labels", "import", data / "lighting" / "masks", "--images", data / "lighting", "-o", folder / "labelled")
howfar_("store", "check", store)
howfar_("store", "prune", store, "--max-size", "0")
assert list(store.iterdir()) == [], list(store.iterdir())
"""


def test_modules_are_imported_and_commands_run(tmp_path: Path) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    command = [sys.executable, "-c", SCRIPT, str(TESTS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "left:" not in done.stderr


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("howfar.io.atomic_writes", "howfar.cli.choosing_and_labelling_commands", "howfar.studies.corruption"):
        monkeypatch.setattr(sys.modules[module], "os", type("Os", (), {**vars(os), "name": "nt"}))


@pytest.mark.usefixtures("windows")
def test_a_file_that_is_open_for_a_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, refusals = Path.replace, [PermissionError(errno.EACCES, "used by another process")] * 2

    def busy(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return usual(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    atomic_writes.replace_text(tmp_path / "note", "whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.usefixtures("windows")
def test_a_file_that_stays_open_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "used by another process", str(target))

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(atomic_writes, "PATIENCE", 0.1)
    with pytest.raises(PermissionError, match="note"):
        atomic_writes.replace_text(tmp_path / "note", "whole")
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_a_refusal_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refused(self: Path, target: Path) -> Path:
        tried.append(target)
        raise PermissionError(errno.EACCES, "no", str(target))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(PermissionError):
        atomic_writes.replace_text(tmp_path / "note", "whole")
    assert len(tried) == 1


def test_without_locks_no_folder_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "fcntl", None)
    monkeypatch.setattr(file_locks, "os", type("Os", (), {"open": lambda *_: pytest.fail("opened"), "path": os.path}))
    share = file_locks.Share(tmp_path)
    share.lock(shared=False)
    assert share.current
    with file_locks.locked(tmp_path), file_locks.locked(tmp_path / "door"), file_locks.alone(tmp_path, make=False) as free:
        assert free
    assert (tmp_path / "door").is_file()
    with pytest.raises(FileNotFoundError), file_locks.alone(tmp_path / "none", make=False):
        pass


@pytest.mark.usefixtures("windows")
def test_paths_and_names_of_windows() -> None:
    command = PredictCommand.of(r'C:\py\python.exe "D:\my models\run.py" {images} {out}')
    assert command.words == (r"C:\py\python.exe", r"D:\my models\run.py", "{images}", "{out}")
    assert folder_name("site:a/b?") == "site-a-b-"


def test_label_studio_finds_a_file_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sep", "\\")
    assert address(r"C:\roads\a.png") == "/data/local-files/?d=C%3A/roads/a.png"


def test_where_links_are_refused_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    source = write_dataset(tmp_path / "roads", 1, seed=0, size=16) / "images" / "0001.jpg"
    monkeypatch.setattr(Path, "hardlink_to", refused)
    monkeypatch.setattr(Path, "symlink_to", refused)
    with pytest.raises(InputError, match=r"with_images cannot be links here .*: pass copy"):
        annotation_packing.put(source, tmp_path / "beside" / "0001.jpg", "link")
