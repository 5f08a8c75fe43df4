"""Write what a release was tested with: a lock of exact versions, an audit of them, and a bill of materials (CycloneDX).

usage: materials.py PYTHON FOLDER     PYTHON is of the environment that the wheel was installed in

The audit asks an advisory service, which not every machine reaches. Where it is not reached the file says so, and nothing else:
no audit is not a clean audit. Known vulnerabilities are listed, and end with exit code 1 where --strict is given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK, AUDIT, BILL = "requirements.lock", "audit.txt", "sbom.cdx.json"
SECONDS = 300
KNOWN = "jinja2==2.11.2"
"""A release with a published advisory (CVE-2020-28493), by which is seen whether the service knows any."""
_TOOLS = (
    "pip",
    "setuptools",
    "wheel",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "execnet",
    "hypothesis",
    "jsonschema",
    "POT",
    "psutil",
)
"""What the environment holds for the tests alone."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strict", action="store_true", help="exit code 1 for a known vulnerability")
    arguments = parser.parse_args()
    packages = locked(arguments.python)
    (arguments.folder / LOCK).write_text("".join(f"{name}=={version}\n" for name, version in packages), encoding="utf-8")
    print(f"{LOCK}: {len(packages)} packages")
    text, found = audit(arguments.folder / LOCK)
    (arguments.folder / AUDIT).write_text(text, encoding="utf-8")
    print(f"{AUDIT}: {text.splitlines()[0]}")
    print(f"{BILL}: {bill(arguments.python, arguments.folder / BILL)} components")
    return 1 if found and arguments.strict else 0


def locked(python: str) -> list[tuple[str, str]]:
    """List name and version of all that the package needs, as installed."""
    listed = json.loads(_output(python, "-m", "pip", "list", "--format=json"))
    left = {name.lower() for name in (*_TOOLS, "howfar")}
    return sorted((each["name"], each["version"]) for each in listed if each["name"].lower() not in left)


def audit(lock: Path) -> tuple[str, bool]:
    """Audit a lock by pip-audit, and return what it says and whether it found a known vulnerability.

    The service is asked first about a release that is known to be vulnerable: one that does not say so, such as a mirror
    without advisories, says nothing of any other either.
    """
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(f"{KNOWN}\n", encoding="utf-8")
        asked, fault = _asked(known)
        if not any(each.get("vulns") for each in asked):
            reason = fault or f"it knows nothing of {KNOWN}, which is vulnerable"
            return f"not audited: the advisory service could not be asked ({reason})\n", False
    asked, fault = _asked(lock)
    if not asked:
        return f"not audited: {fault}\n", False
    skipped = [f"{each['name']}: {each['skip_reason']}" for each in asked if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no release'}"
        for each in asked
        for one in each.get("vulns", [])
    ]
    head = f"{len(asked) - len(skipped)} of {len(asked)} packages audited, {len(found)} known vulnerabilities"
    return "\n".join([head, *found, *skipped]) + "\n", bool(found)


def _asked(requirements: Path) -> tuple[list[dict[str, Any]], str]:
    """Ask pip-audit about exact requirements; nothing, and the reason, where it gets no answer."""
    command = ["-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip", "--format=json"]
    try:
        done = subprocess.run(
            [sys.executable, *command, "--progress-spinner=off", "--timeout=10"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return list(json.loads(done.stdout)["dependencies"]), ""
    except subprocess.TimeoutExpired:
        return [], f"no answer within {SECONDS} s"
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines()
        return [], said[-1][:200] if said else "no answer"


def bill(python: str, file: Path) -> int:
    """Write the bill of materials of an environment by cyclonedx-py, and return how many components it lists."""
    module = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON", "-o", str(file)]
    subprocess.run([*module, "--pyproject", str(Path(__file__).resolve().parents[1] / "pyproject.toml"), python], check=True)
    document = json.loads(file.read_text(encoding="utf-8"))
    names = {component["name"].lower() for component in document["components"]}
    missing = {name.lower() for name, _ in locked(python)} - {name.replace("_", "-") for name in names} - names
    if document.get("bomFormat") != "CycloneDX" or missing:
        raise SystemExit(f"{file.name} is no bill of what is installed: {', '.join(sorted(missing)) or 'no CycloneDX'}")
    return len(names)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
