"""Run commands of howfar in forked processes, each of which kills itself by SIGKILL before its n-th change of the disk.

A line of standard input is a JSON list: the folder to run in, the arguments of a command, the n at which it dies (0 for never),
the seconds after which it is killed from outside and the most bytes that a file may have (null for none). The answer is a line
with its exit code, its changes, and what it printed.
"""

import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Before the first fork, so that no child has to load them; none of them computes anything yet.
import jinja2  # noqa: F401  # see above
import matplotlib.figure
import pandas as pd
import pyarrow.parquet  # noqa: F401  # see above
import scipy.spatial  # noqa: F401  # see above

from howfar import registry
from howfar.cli.exit_codes import outcome
from howfar.cli.main import run
from howfar.results import Comparison
from howfar.studies.run_report import write_run

CHANGES = ("replace", "rename", "fsync", "unlink", "mkdir", "rmdir")


def overwrite(source: str, target: str) -> int:
    """Write a run over another, as `howfar compare --out` does when everything is computed."""
    try:
        write_run(Comparison.load(source), target)
    except OSError as error:
        return outcome(error, ["compare"])
    return 0


def count_changes(at: int) -> list[int]:
    """Count what the process changes on the disk from now on, and let it die before change number `at`."""
    counted = [0]

    def counting(function: Any, counts: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            if counts(*given, **named):
                counted[0] += 1
                if counted[0] == at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **named)

        return call

    for name in CHANGES:
        setattr(os, name, counting(getattr(os, name), lambda *_, **__: True))
    io.open = counting(io.open, lambda _, mode="r", *__, **___: not set(mode).isdisjoint("wxa+"))
    return counted


def child(folder: str, arguments: list[str], at: int, told: Path) -> None:
    """Run one command, and write how many changes it made."""
    os.chdir(folder)
    output = os.open(told / "out", os.O_CREAT | os.O_WRONLY), os.open(told / "err", os.O_CREAT | os.O_WRONLY)
    os.dup2(output[0], 1)
    os.dup2(output[1], 2)
    counted = count_changes(at)
    code = overwrite(*arguments[1:]) if arguments[0] == "overwrite" else run(arguments)
    changes = counted[0]
    sys.stdout.flush()
    sys.stderr.flush()
    (told / "changes").write_text(str(changes))
    os._exit(code)


def serve(folder: str, arguments: list[str], at: int, after: float | None, limit: int | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        begun, pid = time.monotonic(), os.fork()
        if pid == 0:
            try:
                if limit is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                child(folder, arguments, at, Path(scratch))
            finally:
                os._exit(99)
        if after is not None:
            time.sleep(after)
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told = {name: (Path(scratch) / name) for name in ("out", "err", "changes")}
        texts = {name: file.read_text(encoding="utf-8") if file.exists() else "" for name, file in told.items()}
        return {**texts, "code": code, "changes": int(texts["changes"] or 0), "seconds": time.monotonic() - begun}


if __name__ == "__main__":
    matplotlib.use("agg")
    pd.DataFrame({"loaded": [1]})
    # Two figures show as much as all would: each is drawn and takes its place in the same way.
    registry.OURS["figures"] = dict(list(registry.OURS["figures"].items())[:2])
    for line in sys.stdin:
        print(json.dumps(serve(*json.loads(line))), flush=True)
