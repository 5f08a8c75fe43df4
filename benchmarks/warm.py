"""Time commands whose features are stored: processor seconds, user and system of all threads, and seconds to the first word.

Each run is a process of its own after one that is not counted. howfar's modules are compiled to bytecode before, as pip does
where it installs. On a busy machine the processor's seconds are those to read.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from record import leave, parser, spread

import howfar
from howfar.demo import write_dataset

HOWFAR = str(Path(sys.executable).parent / "howfar")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NETWORKS = ("torch", "timm", "torchvision", "onnxruntime")
PARTS = """
import json, sys, time
from functools import wraps
from importlib import import_module
spent = {}
def counted(module, name, part):
    function = getattr(module, name)
    @wraps(function)
    def call(*given, **named):
        begun = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[part] = spent.get(part, 0.0) + time.process_time() - begun
    setattr(module, name, call)
begun = time.process_time()
import timm, timm.data
spent["importing torch and timm"] = time.process_time() - begun
counted(import_module("howfar.demo"), "write_demo", "drawing pictures")
counted(import_module("howfar.studies.compare_datasets"), "compare", "embedding, and distances")
counted(import_module("howfar.cli.demo_commands"), "_evaluate", "fitting a detector, predicting and scoring")
relate = import_module("howfar.studies.performance.relate_and_estimate")
counted(relate, "relate", "relating performance to distance")
counted(relate, "draw", "figures and the report")
counted(import_module("howfar.cli.demo_commands"), "_profile", "the profile")
try:
    import_module("howfar.cli.main").run(["demo", "--out", sys.argv[1]])
finally:
    spent["relating performance to distance"] -= spent["figures and the report"]
    spent["all else, imports for the most part"] = time.process_time() - sum(spent.values())
    print(json.dumps(spent))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=100, help="images of each of four synthetic datasets")
    options.add_argument("--size", type=int, default=320, help="their side in pixels")
    options.add_argument("--datasets", nargs="+", metavar="P S", help="in their place, the primary and secondary datasets")
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--demos", type=int, default=1, help="how often the demo is timed, 0 for not at all")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        datasets = arguments.datasets or made(folder, arguments.images, arguments.size)
        environment = {**os.environ, **ONE_THREAD, "HOWFAR_STORE": str(folder / "store")}
        compileall.compile_dir(Path(howfar.__file__).parent, quiet=1)
        commands = prepared(folder, datasets, environment)
        results = {name: timed(lambda c=command: c, environment, arguments.repeats) for name, command in commands.items()}
        if arguments.demos:
            results["demo, nothing stored"] = timed(demos(folder), environment, arguments.demos, unmeasured=0)
        found = {"datasets": len(datasets), "processor seconds, seconds to the first word": results}
        found["networks loaded"] = loaded(datasets, environment)
        if arguments.demos:
            found["processor seconds of the demo's parts"] = parts_of_demo(folder, environment)
        leave("warm", found, arguments.json)


def made(folder: Path, images: int, size: int) -> list[str]:
    """Draw four datasets and return their folders."""
    shifts = {"roads": 0.0, "near": 0.3, "far": 0.6, "farther": 0.9}
    for seed, (name, shift) in enumerate(shifts.items()):
        write_dataset(folder / name, images, seed=seed, size=size, shift=shift, kind="texture")
    return [str(folder / name) for name in shifts]


def prepared(folder: Path, datasets: Sequence[str], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Store all features and make a profile; return the commands to time."""
    run, profile = str(folder / "run"), str(folder / "primary.howfar")
    compare = [HOWFAR, "compare", *datasets]
    make = [HOWFAR, "profile", datasets[0], "-o", profile]
    for command in (compare, make):
        subprocess.run(command, env=environment, check=True, capture_output=True)
    from howfar.data import parse

    image = str(parse(datasets[1]).items[0].path)
    score = [HOWFAR, "score", profile, image, "--store", environment["HOWFAR_STORE"]]
    return {"compare --out": [*compare, "--out", run], "compare --json": [*compare, "--json"], "score of one image": score}


def demos(folder: Path) -> Callable[[], list[str]]:
    """Return what gives the command of a demo in a folder of its own at each call."""
    numbers = iter(range(1000))
    return lambda: [HOWFAR, "demo", "--out", str(folder / f"demo{next(numbers)}")]


def parts_of_demo(folder: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """Run the demo once more, and tell what its parts take of the processor."""
    command = [sys.executable, "-c", PARTS, str(folder / "parts")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    parts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return parts


def timed(
    command: Callable[[], list[str]], environment: Mapping[str, str], repeats: int, unmeasured: int = 1
) -> dict[str, dict[str, float]]:
    """Run a command several times and return its processor seconds, wall seconds, and those to its first word."""
    runs = [once(command(), environment) for _ in range(unmeasured + repeats)][unmeasured:]
    return {name: spread([run[name] for run in runs]) for name in runs[0]}


def once(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run a command; its first word may come on either stream."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.read(1)
    first = time.perf_counter() - begun
    process.stdout.read()
    if process.wait():
        raise SystemExit(f"{command} failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"processor": processor, "wall": time.perf_counter() - begun, "first word": first}


def loaded(datasets: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """List the libraries of networks that a comparison with all features stored imports."""
    code = (
        f"import sys\nfrom howfar.cli.main import run\nrun({['compare', *datasets, '--json']!r})\n"
        f"print(*[name for name in {NETWORKS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()


if __name__ == "__main__":
    main()
