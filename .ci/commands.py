"""Run every code block of the Markdown files named, in order, in one scratch folder or here: what a reader would type.

usage: commands.py [--in FOLDER] FILE.md...     blocks marked bash are run by bash, those marked python by this interpreter
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="folder", type=Path, default=Path.cwd())
    parser.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args()
    for file in arguments.files:
        for language, code in BLOCK.findall(file.read_text(encoding="utf-8")):
            print(f"\n-- {file}: {language}\n{code.rstrip()}", flush=True)
            command = (
                ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-W", "error", "-c", code]
            )
            started = time.monotonic()
            code_of_exit = subprocess.run(command, cwd=arguments.folder, check=False).returncode
            print(f"-- exit {code_of_exit} after {time.monotonic() - started:.0f} s", flush=True)
            if code_of_exit:
                return code_of_exit
    return 0


if __name__ == "__main__":
    sys.exit(main())
