"""Run the notebooks of docs/notebooks/, each in a kernel and a folder of its own, and leave the files as they are.

usage: notebooks.py [NOTEBOOK...]     a cell that fails ends it with that cell and its error
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
SECONDS = 600
"""A cell that takes longer hangs."""


def main() -> int:
    for file in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(FOLDER.glob("*.ipynb")):
        began, before = time.monotonic(), cpu()
        notebook = nbformat.read(file, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            # The kernel's own working directory, and this interpreter's packages.
            client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}})
            client.extra_arguments = ["--log-level=ERROR"]
            try:
                client.execute()
            except CellExecutionError as error:
                print(f"{file.name}: {error}", file=sys.stderr)
                return 1
        print(f"{file.name}: {time.monotonic() - began:.0f} s, {cpu() - before:.0f} s of CPU", flush=True)
    return 0


def cpu() -> float:
    """Return the seconds of CPU of the kernels that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
