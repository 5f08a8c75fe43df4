"""What .ci/release is made of: the lowest dependencies, what is in the packages, and an audit that does not pretend."""

import io
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

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
