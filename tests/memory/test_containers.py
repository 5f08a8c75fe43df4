"""Containers are listed, and images read from them one by one, in memory that does not grow with the file."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packed import FILE, tar_bytes

SIZE = 100_000
PROBE = """
import re, sys
import pyarrow.compute, pyarrow.parquet
from howfar.data import parse, read_bytes
def peak():
    # Not of getrusage, which a process inherits from the one that started it.
    return int(re.search("VmHWM:\\s*([0-9]+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
found = parse(sys.argv[1])
read_bytes(found.items[-1].path)
one = peak()
count = sum(len(read_bytes(item.path)) == int(sys.argv[2]) for item in found.items)
print(count, one - before, peak() - before)
"""


def noise(count: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    return ((f"{number:05d}.jpg", rng.bytes(SIZE)) for number in range(count))


def write(file: Path, count: int) -> Path:
    if file.suffix == ".tar":
        file.write_bytes(tar_bytes(noise(count)))
        return file
    schema = pa.schema({"image": FILE})
    with pq.ParquetWriter(file, schema) as writer:
        # As Hugging Face's library writes images: a hundred in a row group.
        images = list(noise(count))
        for start in range(0, count, 100):
            cells = [{"bytes": data, "path": name} for name, data in images[start : start + 100]]
            writer.write_table(pa.table({"image": pa.array(cells, FILE)}), row_group_size=100)
    return file


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(("ending", "first", "all_of_them"), [("tar", 20, 20), ("parquet", 100, 250)])
def test_three_hundred_megabytes(ending: str, first: float, all_of_them: float, tmp_path: Path) -> None:
    """Megabytes above the interpreter: to list and read the last image, and to read all 3,000."""
    file = write(tmp_path / f"noise.{ending}", 3000)
    assert file.stat().st_size > 300_000_000
    done = subprocess.run([sys.executable, "-c", PROBE, str(file), str(SIZE)], capture_output=True, text=True, check=True)
    count, one, every = map(float, done.stdout.split())
    assert count == 3000
    assert one < first
    assert every < all_of_them
