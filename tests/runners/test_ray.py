import atexit
import inspect
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs howfar[ray]")

from howfar import memory
from howfar import runners as ray_runner
from howfar.cpu_cores import available_cores
from howfar.errors import RunnerError, StoreError
from howfar.runners import RayRunner, make_runner
from howfar.testing import RunnerTests


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    import ray

    ray.shutdown()


class TestTwoWorkers(RunnerTests):
    look_ahead = 4

    def make_runner(self) -> RayRunner:
        return RayRunner(workers=2)


def _once_killed(trace: Path) -> str:
    """End its own process, as the system does when memory runs out, but for the second time that it is run."""
    if not trace.exists():
        trace.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def _killed(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_whose_worker_dies_is_run_again(tmp_path: Path) -> None:
    traces = [tmp_path / str(k) for k in range(3)]
    assert list(RayRunner(workers=2).run(_once_killed, traces)) == ["done"] * 3


def test_a_task_that_kills_every_worker_is_one_clear_line() -> None:
    with pytest.raises(RunnerError, match=r"lost a task, also when it was run again .*: run the command again"):
        list(RayRunner(workers=1, retries=1).run(_killed, [0]))


class _OddError(Exception):
    """One that cannot be made anew from its text alone."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} of {second}")


def _odd(task: int) -> None:
    raise _OddError(task, 9)


def _lacking(_: int) -> None:
    raise StoreError("the disk is full") from _OddError(1, 2)


def test_exceptions_that_cannot_be_pickled_come_as_what_they_say() -> None:
    with pytest.raises(Exception, match="_OddError: 3 of 9"):
        list(RayRunner(workers=1).run(_odd, [3]))
    with pytest.raises(StoreError, match="the disk is full"):
        list(RayRunner(workers=1).run(_lacking, [3]))


def test_begun_ahead_its_workers_have_imported_what_is_needed() -> None:
    runner = RayRunner(workers=1)
    runner.begin(["colorsys", "no.such.module"])
    assert list(runner.run(_knows, ["colorsys", "no.such.module"])) == [True, False]


def test_a_cluster_that_was_begun_ahead_lives_on() -> None:
    code = (
        "import time\nfrom howfar.runners import RayRunner\nrunner = RayRunner(workers=1)\nrunner.begin()\n"
        "print(list(runner.run(abs, [-1])))\ntime.sleep(3)\nprint(list(runner.run(abs, [-2])))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert found.stdout == "[1]\n[2]\n", found.stderr[-2000:]


def _knows(module: str) -> bool:
    return module in sys.modules


@pytest.mark.parametrize("begun", ["", "r.begin()\n"], ids=["at once", "begun ahead"])
def test_a_cluster_that_is_not_there_is_one_clear_line(begun: str) -> None:
    # Nobody listens at port 1.
    code = f"from howfar.runners import RayRunner\nr = RayRunner(address='127.0.0.1:1')\n{begun}list(r.run(abs, [1]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    last = found.stderr.strip().splitlines()[-1]
    assert "the Ray cluster at 127.0.0.1:1 cannot be joined" in last
    assert "ray status" in last


def test_stdout_is_left_to_json_when_a_worker_dies(tmp_path: Path) -> None:
    code = inspect.getsource(_once_killed) + "print(list(RayRunner(workers=1).run(_once_killed, [Path(sys.argv[1])])))"
    imports = "import os, signal, sys, time\nfrom pathlib import Path\nfrom howfar.runners import RayRunner\n"
    command = [sys.executable, "-c", f"{imports}{code}\ntime.sleep(2)", str(tmp_path / "trace")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert found.stdout == "['done']\n"


def _free_port() -> int:
    """One that the system gives to no outgoing connection, among them that of a test that waits for it to answer."""
    for port in random.sample(range(20_000, 30_000), 50):
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


def test_a_cluster_that_runs_is_joined(tmp_path: Path) -> None:
    # A home of its own: there Ray keeps the token that it asks for.
    # And none of the variables by which the cluster of the other tests is known to its processes.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**bare, "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    for _ in range(3):  # on a busy machine a cluster may give up before it has begun
        with _cluster(environment) as port:
            code = f"from howfar.runners import RayRunner\nprint(list(RayRunner(address='127.0.0.1:{port}').run(abs, [-3, 4])))"
            found = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200, check=False
            )
        if found.returncode == 0:
            break
    assert found.stdout == "[3, 4]\n", found.stderr[-2000:]


@contextmanager
def _cluster(environment: dict[str, str]) -> Iterator[int]:
    """Start a cluster of its own as a user does, and give the port at which it answers."""
    port = _free_port()
    start = ["start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false", "--block"]
    command = [str(Path(sys.executable).with_name("ray")), *start, f"--temp-dir=/tmp/ray-{port}"]
    cluster = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(3)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(cluster.pid, signal.SIGKILL)
        cluster.wait(60)
        shutil.rmtree(f"/tmp/ray-{port}", ignore_errors=True)


def test_more_gpus_than_the_cluster_has_are_refused() -> None:
    with pytest.raises(RunnerError, match="has 0 GPUs and a task needs 1: add --device cpu"):
        list(make_runner("ray", device="cuda").run(abs, [1]))


def _left(_: int) -> int | None:
    found = memory.budget()
    return None if found is None else found.total


def _left_when_combined(one: int | None, other: int | None) -> int:
    return min(one or 0, other or 0)


def test_a_budget_of_memory_is_shared_by_the_tasks() -> None:
    runner = RayRunner(workers=2)
    part = 10**9 // min(2, available_cores())
    with memory.within("1GB"):
        assert list(runner.run(_left, range(3))) == [part] * 3
        assert runner.reduce(_left, _left_when_combined, range(3)) == part
        with memory.beside(10**8):
            assert list(runner.run(_left, range(3))) == [(10**9 - 10**8) // min(2, available_cores())] * 3
    assert list(runner.run(_left, range(3))) == [None] * 3


def test_numerics_wait_for_no_gpu() -> None:
    assert list(make_runner("ray", device="cuda").on_processors().run(abs, [-1])) == [1]


def test_after_a_lost_task_rays_own_end_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[object] = []
    monkeypatch.setattr(atexit, "unregister", forgotten.append)
    with pytest.raises(RunnerError, match=r"^gone$"):
        raise ray_runner._lost("gone")
    assert forgotten == [ray_runner._end]
