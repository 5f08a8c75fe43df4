"""What is read is in memory, the rest is not: measured in a process of its own, as the kernel counts it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from howfar.store import Store

MIB = 2**20
READ = """
import sys
import numpy as np
from howfar.store import Store

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

root, n, q, width, height = sys.argv[1], *map(int, sys.argv[2:])
order = np.random.default_rng(0).permutation(n)
selection = Store(root).open({"name": "large"}, q).select([str(k) for k in order])
before = peak()
for start in range(0, q, width):
    block = selection.columns(start, start + width)
    some = [0, n // 3, n - 1]
    assert np.array_equal(block[some], order[some, None] + np.arange(start, start + block.shape[1]))
    del block
for start in range(0, n, height):
    block = selection.rows(start, start + height)
    assert np.array_equal(block[0], order[start] + np.arange(q))
    del block
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(("n", "q", "batch"), [(400, 262_144, 100), (80_000, 1_280, 80_000)], ids=["long rows", "many rows"])
def test_reading_400_mb_by_columns_and_rows_takes_little_memory(tmp_path, n, q, batch):
    features = Store(tmp_path).open({"name": "large"}, q)
    for start in range(0, n, batch):
        ks = np.arange(start, start + batch)
        rows = ks[:, None].astype(np.float32) + np.arange(q, dtype=np.float32)
        features.add([str(k) for k in ks], ["x"] * batch, rows)
        del rows
    on_disk = sum(path.stat().st_size for path in features.folder.glob("shards/*.npy"))
    assert on_disk >= 390 * MIB
    # Blocks of 16 MiB, by columns and by rows.
    width, height = 4 * MIB // n, 4 * MIB // q
    command = [sys.executable, "-c", READ, str(tmp_path), *map(str, (n, q, width, height))]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # The block, a piece of a shard (16 MiB) and its copy.
    assert grown < 64
