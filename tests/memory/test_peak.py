"""Peak memory of the whole job must not grow with the number of images beyond what their features take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PROBE = """
import json, sys
import howfar
found = howfar.compare(sys.argv[1], sys.argv[2], store=sys.argv[3], progress=False, workers=2, {options})
from howfar.memory import peak_mib
print(json.dumps({{"n": found.primary.n, "peak": peak_mib()}}))
"""


def peak(primary: Path, secondary: Path, store: Path, options: str = "") -> float:
    script = PROBE.format(options=options)
    done = subprocess.run(
        [sys.executable, "-c", script, str(primary), str(secondary), str(store)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout)["peak"])


def write_blotches(folder: Path, count: int) -> None:
    """Write different images of 256 px quickly."""
    folder.mkdir()
    rng = np.random.default_rng(count)
    for k in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((256, 256), Image.Resampling.BILINEAR).save(folder / f"{k:04d}.jpg")


def test_images_are_not_held(tmp_path: Path) -> None:
    """Ten times the images: decoded, 900 more at 256 px would take 177 MB, and as float32 four times that."""
    for name, count in (("many", 1000), ("few", 100), ("site", 50)):
        write_blotches(tmp_path / name, count)
    few, many = (
        peak(tmp_path / name, tmp_path / "site", tmp_path / f"s-{name}", "backbone='colour_moments'")
        for name in ("few", "many")
    )
    assert many - few < 150


def test_features_are_read_in_pieces(tmp_path: Path) -> None:
    """2,000 against 200 rows of q = 1,280 made by hand: moments, distances and intervals stay within 150 MB of each other."""
    rng = np.random.default_rng(0)
    for name, n in (("few", 200), ("many", 2000), ("site", 200)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 1280)).astype(np.float32))
    few, many = (peak(tmp_path / f"{n}.npy", tmp_path / "site.npy", tmp_path / "s") for n in ("few", "many"))
    assert many - few < 150


def test_sets_are_not_held(tmp_path: Path) -> None:
    """40 sets more of 8 MB each, of which the table keeps 0.4 MB: less than a quarter of them is in memory at a time."""
    probe = """
import sys
from pathlib import Path
import numpy as np
import howfar
files = sorted(map(str, Path(sys.argv[1]).glob("*.npy")))[: int(sys.argv[2])]
howfar.compare(files[0], files[1:], bootstrap=0, permutations=0, rivals=False)
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024)
"""
    for place in range(45):
        np.save(tmp_path / f"set{place:02d}.npy", np.random.default_rng(place).normal(size=(1000, 1024)))
    few, many = (
        float(
            subprocess.run([sys.executable, "-c", probe, tmp_path, str(k)], capture_output=True, text=True, check=True).stdout
        )
        for k in (5, 45)
    )
    assert many - few < 80
