"""Run the notebooks of docs/notebooks/, each in a kernel and a folder of its own, and leave the files as they are.

usage: notebooks.py [NOTEBOOK...]     as many at a time as there are cores; a cell that fails is shown with its error
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
SECONDS = 600
"""A cell that takes longer hangs."""


def main() -> int:
    files = list(map(Path, sys.argv[1:])) or sorted(FOLDER.glob("*.ipynb"))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # A list, so that each is run and none is skipped after a failure.
        return 0 if all(list(pool.map(passes, files))) else 1


def passes(file: Path) -> bool:
    """Run a notebook, and print how long it took or what failed."""
    began = time.monotonic()
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # The kernel's own working directory, and this interpreter's packages.
        client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.extra_arguments = ["--log-level=ERROR"]
        try:
            client.execute()
        except CellExecutionError as error:
            print(f"{file.name}: {error}", file=sys.stderr)
            return False
    print(f"{file.name}: {time.monotonic() - began:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
