"""Measure the peak memory of `howfar compare` for few and for many images, by the default backbone."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from record import leave, parser

from howfar.demo import write_dataset

JOB = """
import json, sys
import howfar
found = howfar.compare(sys.argv[1], sys.argv[2], store=sys.argv[3], progress=False, workers=2)
from howfar.memory import peak_mib
print(json.dumps({"length": found.backbone.length, "mib": peak_mib()}))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--few", type=int, default=200)
    options.add_argument("--many", type=int, default=2000)
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    peaks: dict[int, list[float]] = {arguments.few: [], arguments.many: []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_dataset(folder / "site", 100, seed=9, shift=0.5, kind="texture")
        for count in peaks:
            write_dataset(folder / str(count), count, seed=0)
            for repeat in range(arguments.repeats):
                job = [sys.executable, "-c", JOB, folder / str(count), folder / "site", folder / f"store{count}-{repeat}"]
                done = subprocess.run(list(map(str, job)), capture_output=True, text=True, check=True)
                peaks[count].append(json.loads(done.stdout)["mib"])
    difference = max(peaks[arguments.many]) - min(peaks[arguments.few])
    leave("memory", {"peak MiB by images": peaks, "greatest difference MiB": difference}, arguments.json)


if __name__ == "__main__":
    main()
