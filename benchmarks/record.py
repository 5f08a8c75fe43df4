"""Parse the command line of a benchmark and write its record (benchmarks/schema.json)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("howfar", "numpy", "scipy", "torch", "timm", "onnxruntime", "pyarrow", "pillow")


def parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the option that all benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    return made


def spread(values: Sequence[float]) -> dict[str, float]:
    """Compute median, lowest and highest of repeated measurements."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "repeats": len(values)}


def leave(name: str, results: Mapping[str, Any], out: Path | None) -> None:
    """Print the record, and write it where `out` says."""
    record = {
        "name": name if out is None else out.stem,
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(portable, sys.argv[1:])]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": {"machine": platform.machine(), "processor": processor(), "cores": len(os.sched_getaffinity(0))},
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "results": results,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


def portable(argument: str) -> str:
    """Shorten a command-line argument that is a path outside the checkout to its last part."""
    outside = argument.startswith(("/", "..", "~"))
    return Path(argument).name if outside else argument


def processor() -> str:
    """Read the processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
