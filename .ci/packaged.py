"""Check that a wheel and an sdist hold what they should: the package with its data and licence, and nothing else.

usage: packaged.py WHEEL SDIST
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
LEFT_OUT = ("__pycache__", ".pyc", ".so", ".nbi", ".nbc")


def main() -> int:
    wheel, sdist = map(Path, sys.argv[1:])
    files = SOURCE.joinpath("src").rglob("*")
    wanted = {
        each.relative_to(SOURCE / "src").as_posix()
        for each in files
        if each.is_file() and not any(part in each.as_posix() for part in LEFT_OUT)
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(about).decode("utf-8"))
    inside = {name for name in names if ".dist-info/" not in name}
    faults = [f"the wheel lacks {name}" for name in sorted(wanted - inside)]
    faults += [f"the wheel holds {name}, which is no part of src" for name in sorted(inside - wanted)]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        faults.append("the wheel lacks the licence")
    with tarfile.open(sdist) as archive:
        listed = {name.partition("/")[2] for name in archive.getnames()}
    needed = ("pyproject.toml", "LICENSE", "README.md", "src/howfar/__init__.py")
    faults += [f"the sdist lacks {name}" for name in needed if name not in listed]
    if metadata["Version"] not in sdist.name:
        faults.append(f"wheel {metadata['Version']} and sdist {sdist.name} are of two versions")
    print("\n".join(faults) or f"{wheel.name}: {len(inside)} files, {sdist.name}: {len(listed)} entries")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
