"""The threads of the linear algebra do not keep the cores from other loops: what the command line asks of them, and when."""

import os
import subprocess
import sys

import pytest

from howfar.cpu_cores import SLEEP, WAIT, available_cores, numeric_threads


@pytest.mark.parametrize(("set_to", "wanted"), [(None, "20"), ("7", "7")])
def test_the_command_line_has_them_wait_briefly(set_to, wanted):
    """Before NumPy is loaded, which asks once; what the user has set stands."""
    code = f"import os, sys, howfar.cli; assert 'numpy' not in sys.modules; import howfar.cli.main; print(os.environ[{WAIT!r}])"
    environment = {name: value for name, value in os.environ.items() if name != WAIT} | ({WAIT: set_to} if set_to else {})
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.strip() == wanted


@pytest.mark.parametrize(
    ("set_to", "wanted"), [({}, "passive"), ({SLEEP: "active"}, "active"), ({"GOMP_SPINCOUNT": "9"}, "None")]
)
def test_the_command_line_has_the_threads_of_torch_sleep(set_to, wanted):
    """Before torch is loaded; how they wait is the user's where the user says so."""
    code = f"import os, sys, howfar.cli.main; assert 'torch' not in sys.modules; print(os.environ.get({SLEEP!r}))"
    plain = {name: value for name, value in os.environ.items() if name not in (SLEEP, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=plain | set_to, check=True)
    assert done.stdout.strip() == wanted


@pytest.mark.parametrize(("said", "wanted"), [("1", 1), ("2,4", 2), ("99", 3), ("0", 1), ("", 3), ("many", 3)])
def test_threads_are_the_cores_or_what_the_environment_says(said, wanted, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert numeric_threads() == wanted
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert numeric_threads() == available_cores() == 3
