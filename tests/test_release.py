"""What .ci/release is made of: the lowest dependencies, what is in the packages, and an audit that does not pretend."""

import io
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.scripts import script

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_each_dependency_has_a_lowest_release():
    pins = script(".ci/lowest.py").lowest([])
    assert len(pins) == len(PROJECT["dependencies"]) - 1  # all but torch
    assert "numpy==1.26" in pins
    assert not any(pin.startswith("torch==") for pin in pins)
    assert "transformers==5" in script(".ci/lowest.py").lowest(["hub"])


def packages(folder: Path, leave_out: str = "", beside: str = "") -> tuple[Path, Path]:
    """Write a wheel and an sdist of the sources that are here, without a file or with one more."""
    wheel, sdist = folder / "howfar-9.0-py3-none-any.whl", folder / "howfar-9.0.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in (ROOT / "src").rglob("*"):
            name = file.relative_to(ROOT / "src").as_posix()
            if file.is_file() and "__pycache__" not in name and name != leave_out:
                archive.writestr(name, "")
        for name in filter(None, ("howfar-9.0.dist-info/licenses/LICENSE", beside)):
            archive.writestr(name, "")
        archive.writestr("howfar-9.0.dist-info/METADATA", "Name: howfar\nVersion: 9.0\n\n")
    with tarfile.open(sdist, "w:gz") as archive:
        for name in ("pyproject.toml", "LICENSE", "README.md", "src/howfar/__init__.py"):
            archive.addfile(tarfile.TarInfo(f"howfar-9.0/{name}"), io.BytesIO())
    return wheel, sdist


@pytest.mark.parametrize(
    ("leave_out", "beside", "said"),
    [
        ("", "", "files"),
        ("howfar/report/report.js", "", "lacks howfar/report/report.js"),
        ("", "howfar/fonts/Other.ttf", "holds howfar/fonts/Other.ttf"),
    ],
)
def test_a_package_holds_its_own_files_and_no_others(tmp_path, leave_out, beside, said):
    wheel, sdist = packages(tmp_path, leave_out, beside)
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "packaged.py"), str(wheel), str(sdist)], capture_output=True, text=True, check=False
    )
    assert said in done.stdout
    assert done.returncode == (0 if said == "files" else 1)


def answered(monkeypatch: pytest.MonkeyPatch, known: list[Any], lock: list[Any]) -> ModuleType:
    module = script(".ci/materials.py")
    monkeypatch.setattr(module, "_asked", lambda file: (known, "no route") if file.name == "known.txt" else (lock, "no answer"))
    return module


def test_an_audit_that_was_not_made_says_so(monkeypatch, tmp_path):
    clean = [{"name": "numpy", "version": "2", "vulns": []}]
    for known in ([], [{"name": "jinja2", "skip_reason": "not found"}], [{"name": "jinja2", "version": "2.11.2", "vulns": []}]):
        text, found = answered(monkeypatch, known, clean).audit(tmp_path / "requirements.lock")
        assert text.startswith("not audited")
        assert not found


def test_an_audit_lists_what_it_found_and_what_it_left_out(monkeypatch, tmp_path):
    fault = {"id": "CVE-1", "fix_versions": ["3"], "aliases": [], "description": ""}
    known = [{"name": "jinja2", "version": "2.11.2", "vulns": [fault]}]
    lock = [{"name": "a", "version": "2", "vulns": [fault]}, {"name": "b", "skip_reason": "not found"}]
    text, found = answered(monkeypatch, known, lock).audit(tmp_path / "requirements.lock")
    assert text == "1 of 2 packages audited, 1 known vulnerabilities\na 2: CVE-1, mended in 3\nb: not found\n"
    assert found
