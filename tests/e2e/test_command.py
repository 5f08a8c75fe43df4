"""The installed command, as a user runs it: outputs, exit codes, what goes where."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

HOWFAR = str(Path(sys.executable).parent / "howfar")
COLUMNS = ["dataset", "image", "i_dist", "i_dist_mean", "i_dist_scaled", "knn", "percentile", "p_value"]


def howfar(*arguments: str | Path, store: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"HOWFAR_STORE": str(store)} if store else {})
    return subprocess.run(
        [HOWFAR, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=300
    )


@pytest.fixture(scope="module")
def run(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("command") / "run"
    done = howfar("compare", *demo_folders, "--backbone", "colour_moments", "--out", out, store=out.parent / "store")
    return out, done


def test_compare_prints_the_table_and_writes_the_run(run, demo_folders):
    out, done = run
    assert done.returncode == 0, done.stderr
    for folder in demo_folders[1:]:
        assert folder.name in done.stdout
    assert f"beyond 95 % of {demo_folders[0].name}" in done.stdout
    assert "O^dist" not in done.stdout
    assert f"report: {out / 'report.html'}" in done.stdout
    assert "\r" not in done.stderr
    assert {path.name for path in out.iterdir()} >= {
        "result.json",
        "images.parquet",
        "datasets.parquet",
        "report.html",
        "figures",
    }
    assert {path.stem for path in (out / "figures").iterdir()} >= {"violin", "sorted_distances", "scatter", "thumbnails"}
    images = pd.read_parquet(out / "images.parquet")
    assert set(COLUMNS) <= set(images)
    assert len(images) == 12 * 5


def test_ctrl_c_says_how_to_go_on(demo_folders: list[Path], tmp_path: Path) -> None:
    job = [HOWFAR, "compare", *map(str, demo_folders), "--store", str(tmp_path), "--batch-size", "1", "--no-baselines"]
    # A shell may have started the tests deaf to Ctrl+C, and what they start inherits that.
    process = subprocess.Popen(
        job,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(tmp_path.rglob("shards/*.parquet")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "howfar: stopped; run the same command to go on: what was done is kept"
    assert "Traceback" not in err
    again = subprocess.run(job, capture_output=True, text=True, check=True)
    assert int(again.stderr.rpartition("from store=")[2].split("]")[0]) > 0


def test_bad_files_are_listed_in_output_result_and_report(demo_folders: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(demo_folders[1] / "images", folder)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.png").write_bytes(next(demo_folders[0].glob("images/*")).read_bytes()[:500])
    done = howfar("compare", demo_folders[0], folder, "--backbone", "colour_moments", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert {Path(bad["path"]).name for bad in result["skipped"]} == {"empty.jpg", "cut.png"}
    page = (tmp_path / "run" / "report.html").read_text()
    for bad in result["skipped"]:
        assert bad["reason"]
        assert f"skipped: {bad['path']}: {bad['reason']}" in done.stdout
        assert Path(bad["path"]).name in page
