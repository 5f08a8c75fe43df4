"""Run every code block of the Markdown files named, in order: what a reader would type, by bash or by this interpreter.

usage: commands.py FILE.md...                     here, one file after another
       commands.py --blocks FIRST:LAST FILE.md    only these blocks, as a slice of Python
       commands.py --from FOLDER FILE.md...       each file in a folder of its own that holds a copy of FOLDER alone, so that no
                                                  page lives on what another left, as many files at a time as there are cores
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import IO

BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", type=Path, help="what each file finds in its folder")
    parser.add_argument("--blocks", type=part, default=slice(None), help="FIRST:LAST")
    parser.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args()
    if arguments.start is None:
        return next(filter(None, (run(file, Path.cwd(), sys.stdout, arguments.blocks) for file in arguments.files)), 0)
    return next(filter(None, each_alone(arguments.files, arguments.start)), 0)


def part(text: str) -> slice:
    first, last = (int(end) if end else None for end in text.split(":"))
    return slice(first, last)


def each_alone(files: list[Path], start: Path) -> Iterator[int]:
    """The exit status of each file, the longest begun first; what a file printed is shown when it has ended."""
    longest_first = sorted(files, key=lambda file: -len(blocks(file)))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = [pool.submit(alone, file, start, Path(scratch) / str(number)) for number, file in enumerate(longest_first)]
        for ended in as_completed(running):
            status, printed = ended.result()
            print(printed, end="", flush=True)
            if status:
                pool.shutdown(wait=False, cancel_futures=True)
            yield status


def alone(file: Path, start: Path, folder: Path) -> tuple[int, str]:
    """Exit status and output of a file's blocks in a new folder that holds a copy of ``start``; the folder is then removed."""
    folder.mkdir()
    shutil.copytree(start, folder / start.name)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        # A store that pages shared would hold what another had computed.
        status = run(file, folder, output, HOWFAR_STORE=str(folder / "default-store"))
        output.seek(0)
        printed = output.read()
    shutil.rmtree(folder)
    return status, printed


def run(file: Path, folder: Path, output: IO[str], chosen: slice = slice(None), **variables: str) -> int:
    """The status of the first block that fails, or 0; the blocks see these environment variables beside the present ones."""
    say: Callable[..., None] = partial(print, file=output, flush=True)
    environment = os.environ | variables
    for language, code in blocks(file)[chosen]:
        say(f"\n-- {file}: {language}\n{code.rstrip()}")
        command = (
            ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-W", "error", "-c", code]
        )
        started = time.monotonic()
        ended = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
        say(f"-- exit {ended.returncode} after {time.monotonic() - started:.0f} s")
        if ended.returncode:
            return ended.returncode
    return 0


def blocks(file: Path) -> list[tuple[str, str]]:
    """The language and the text of each block of code that is to be run."""
    return BLOCK.findall(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
