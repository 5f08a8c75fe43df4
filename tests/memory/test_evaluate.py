"""Peak memory of an evaluation must not grow with the number of maps, beyond the counts that it keeps of each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PROBE = """
import json, sys
from howfar import evaluate
found = evaluate(sys.argv[1], sys.argv[2], progress=False)
from howfar.memory import peak_mib
print(json.dumps({"n": found.scored, "peak": peak_mib()}))
"""


def written(folder: Path, n: int, side: int = 448) -> Path:
    rng = np.random.default_rng(0)
    for part in ("images", "masks", "maps"):
        (folder / part).mkdir(parents=True)
    grey = Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8))
    mask = Image.fromarray((rng.random((side, side)) > 0.9).astype(np.uint8) * 255)
    for number in range(n):
        for part, picture in (("images", grey), ("masks", mask), ("maps", grey)):
            picture.save(folder / part / f"{number:04d}.bmp")
    return folder


def peak(folder: Path, n: int) -> float:
    command = [sys.executable, "-c", PROBE, str(folder), str(folder / "maps")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["n"] == n
    return float(found["peak"])


def test_maps_are_not_held(tmp_path: Path) -> None:
    """380 more maps of 448 px and their masks would take 150 MB as bytes, and 600 MB as float32."""
    few, many = (peak(written(tmp_path / str(n), n), n) for n in (20, 400))
    assert many - few < 40
