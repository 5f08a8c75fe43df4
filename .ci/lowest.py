"""Print the lowest release of each dependency that pyproject.toml admits, for `pip install -r`.

usage: lowest.py [EXTRA...]     PyTorch is left as it is: its old releases come with gigabytes of GPU libraries
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
LEFT = ("torch", "torchvision", "howfar")
_AT_LEAST = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?P<extras>\[[^\]]*\])?\s*(?P<sign>>=|==)\s*(?P<version>[0-9][^,;]*)")


def lowest(extras: list[str]) -> list[str]:
    """Pin each direct dependency of the project and of its extras to the lowest release that is declared."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    pinned = []
    for requirement in declared:
        found = _AT_LEAST.match(requirement)
        if found is None:
            raise SystemExit(f"{requirement} of pyproject.toml declares no lowest release: write NAME>=VERSION")
        if found["name"] not in LEFT:
            pinned.append(f"{found['name']}{found['extras'] or ''}=={found['version'].strip()}")
    return pinned


if __name__ == "__main__":
    print("\n".join(lowest(sys.argv[1:])))
