"""Count the files and functions of howfar that `howfar compare A B` and `howfar assess` run through.

Each command runs in a process of its own on the demo's pictures, with the default backbone. A profile hook notes each function
of the package that is called, in every thread. Calls during an import count too; module and class bodies do not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import leave, parser

import howfar
from howfar.demo import write_demo
from howfar.demo.crack_detector import Detector, write_predictions

TRACED = """
import json, sys, threading
from pathlib import Path
import howfar
root = str(Path(howfar.__file__).parent)
seen = set()
def note(frame, event, _):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(root):
        seen.add((code.co_filename, code.co_qualname, code.co_firstlineno, bool(code.co_flags & 2)))
threading.setprofile(note)
sys.setprofile(note)
from howfar.cli.main import run
status = run(sys.argv[2:])
sys.setprofile(None)
functions = {one for one in seen if one[3] and not one[1].endswith(">")}  # no comprehension, no lambda
found = {"files": len({one[0] for one in functions}), "functions": len(functions), "status": status}
Path(sys.argv[1]).write_text(json.dumps(found))
"""


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folders = write_demo(folder / "demo", n_primary=40, n_secondary=16)[:3]
        datasets, maps = [str(path) for path in folders], folder / "maps"
        detector = Detector.fit(howfar.Dataset.from_folder(folders[0]))
        for path in folders:
            for ending in ("", "-flipped"):
                dataset = howfar.Dataset.from_folder(path)
                write_predictions(maps / f"{path.name}{ending}", dataset, detector, flipped=bool(ending))
        found = {
            "compare": traced(folder, "compare", *datasets[:2], "--out", str(folder / "run")),
            "assess": traced(folder, "assess", *datasets, "--predictions", str(maps), "--out", str(folder / "site")),
        }
    leave("code_paths", found, arguments.json)


def traced(folder: Path, *words: str) -> dict[str, Any]:
    """Run a command of howfar in a process of its own; count the files and functions that it ran through."""
    note = folder / "seen.json"
    subprocess.run([sys.executable, "-c", TRACED, str(note), *words, "--store", str(folder / "store")], check=True)
    found: dict[str, Any] = json.loads(note.read_text())
    if found.pop("status") != 0:
        raise SystemExit(f"howfar {words[0]} failed")
    return found


if __name__ == "__main__":
    main()
