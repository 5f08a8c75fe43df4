"""A training that is killed goes on where it was, and ends with the loss curve and the weights of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from howfar.demo import write_dataset
from recorded_faults import Recorded

HOWFAR = str(Path(sys.executable).parent / "howfar")
EPOCHS = 40


def command(roads: Path, out: Path) -> list[str]:
    options = {"size": 32, "epochs": EPOCHS, "batch": 4, "holdout": 0.25, "weights": "none", "device": "cpu"}
    spelt = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [HOWFAR, "train", str(roads), "-o", str(out), "--model", "deepcrack", "--option", "width=4", "--json", *spelt]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_kill_and_train_again(how: signal.Signals, tmp_path: Path, recorded: Recorded) -> None:
    roads, out = write_dataset(tmp_path / "roads", 8, seed=0, size=64), tmp_path / "m.safetensors"
    # A shell may have started the tests deaf to Ctrl+C, and what they start inherits that.
    process = subprocess.Popen(
        command(roads, out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    state = tmp_path / "m.safetensors.state"
    while not list(state.glob("*.state")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, how)
    stdout, stderr = process.communicate(timeout=60)
    assert (stdout, out.exists()) == ("", False)
    assert len(list(state.glob("*.state"))) == 1
    if how == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        again = subprocess.run(command(roads, out), capture_output=True, text=True, check=True)
        document = json.loads(again.stdout)
        # In a process of its own too: this one may give torch another number of threads, and sums then end otherwise.
        other = subprocess.run(command(roads, tmp_path / "other.safetensors"), capture_output=True, text=True, check=True)
        undisturbed = json.loads(other.stdout)
        assert document["weights"] == undisturbed["weights"]
        assert document["history"] == undisturbed["history"]
        assert document["data"]["threads"] == undisturbed["data"]["threads"]
        assert len(document["history"]) == EPOCHS
        assert out.exists()
        assert not state.exists()
        recorded(how.name, "train", 1, "weights and loss curve are those of an undisturbed training")
    else:
        assert process.returncode == 130
        assert stderr.splitlines()[-1] == "howfar: stopped; run the same command to go on: what was done is kept"
        recorded(how.name, "train", 1, "one line; the state of the last epoch is kept")
