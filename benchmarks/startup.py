"""Time `import howfar` and `howfar --help`, each in a new process, beside a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from record import leave, parser, spread

HOWFAR = str(Path(sys.executable).parent / "howfar")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import howfar": [sys.executable, "-c", "import howfar"],
    "howfar --help": [HOWFAR, "--help"],
    "howfar backbones": [HOWFAR, "backbones"],
}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--repeats", type=int, default=11)
    arguments = options.parse_args()
    results = {name: spread(times(command, arguments.repeats)) for name, command in COMMANDS.items()}
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, howfar; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    leave("startup", {"seconds": results, "import howfar loads torch": loaded.stdout.strip() == "True"}, arguments.json)


def times(command: list[str], repeats: int) -> list[float]:
    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - started)
    return found[1:]


if __name__ == "__main__":
    main()
