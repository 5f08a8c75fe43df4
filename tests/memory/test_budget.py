"""A run keeps to its budget of memory, by both routes, with the numbers of a run that has none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from howfar.memory import parse_size
from howfar.store import Store

# Peak above what the interpreter, its libraries and a small run take; this program's own, which getrusage does not tell.
PROBE = """
import ctypes, json, sys
from pathlib import Path
import numpy as np
from howfar.arrays import ArrayRows
from howfar.memory import within
from howfar.results import Features
from howfar.runners import LocalRunner
from howfar.store import Store
from howfar.options_by_function import CompareSettings
from howfar.results import Settings
from howfar.option_checks_and_signatures import checked
from howfar.studies.compare_datasets import compared
from howfar.studies.study_inputs import Execution

folder, n, m, q, memory = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5] or None

def features(name, names, rows):
    return Features(name, rows, names, names, names, (rows.shape[1],), {"name": "made"})

def resident(what):
    return int(Path("/proc/self/status").read_text().split(what)[1].split()[0]) * 1024

rng, few = np.random.default_rng(0), tuple(map(str, range(4200)))
small = [features(name, few, ArrayRows(rng.normal(size=(4200, 4)))) for name in "ps"]
here = Execution(None, LocalRunner(), None, None, False)
compared(small, "made", Settings(**checked(CompareSettings, {"bootstrap": 2, "permutations": 1, "rivals": False})), here)
store = Store(folder).open({"name": "made"}, q)
names = [str(k) for k in range(n + m)]
pair = [features(name, tuple(some), store.select(some)) for name, some in (("p", names[:n]), ("s", names[n:]))]
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS:")
with within(memory):
    found = compared(pair, "made", Settings(**checked(CompareSettings, {"bootstrap": 200, "rivals": False})), here).datasets[0]
numbers = [found.o_dist, found.energy, found.p_value, *found.energy_ci, *found.relative_ci]
print(json.dumps({"bytes": resident("VmHWM:") - before, "numbers": numbers}))
"""
# Images of P and of S, features, and a budget below what is taken without one.
WIDE, TALL = (150, 150, 400_000, "56MB"), (5000, 3400, 600, "80MB")


def stored(folder: Path, rows: int, q: int) -> None:
    store = Store(folder).open({"name": "made"}, q)
    rng = np.random.default_rng(0)
    spread = (4.0 * np.arange(1, q + 1) ** -0.4).astype(np.float32)
    step = max(1, 4_000_000 // q)
    for start in range(0, rows, step):
        names = [str(k) for k in range(start, min(start + step, rows))]
        moved = np.float32(0.05 if start >= rows // 2 else 0.0)
        store.add(names, names, rng.normal(size=(len(names), q)).astype(np.float32) * spread + moved)


def run(folder: Path, case: tuple[int, int, int, str], memory: str) -> tuple[int, list[float]]:
    command = [sys.executable, "-c", PROBE, str(folder), *(str(one) for one in case[:3]), memory]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return done["bytes"], done["numbers"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a program's own peak cannot be asked for")
@pytest.mark.parametrize("case", [WIDE, TALL], ids=["wide", "tall"])
def test_a_run_keeps_to_its_budget(case: tuple[int, int, int, str], tmp_path: Path) -> None:
    n, m, q, memory = case
    stored(tmp_path, n + m, q)
    (free, wanted), (bound, found) = run(tmp_path, case, ""), run(tmp_path, case, memory)
    assert bound < parse_size(memory) < 0.8 * free
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
