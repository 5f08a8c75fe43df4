"""`howfar watch`: images as they arrive, each counted once whatever is killed, and labels that feed the alarm of `check`."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.errors import HowfarError
from howfar.explore.page_server_and_picks import serving
from howfar.integrations import folder_watch as module
from howfar.integrations.folder_watch import Watch, WatchPage
from howfar.studies.check import log_and_alarm as log
from sites_with_maps import write_site

RULES: dict[str, Any] = {"images": {"at_least": 3}, "alarm": {"at_least": 0.7}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile, and images that have not arrived yet."""
    folder = tmp_path_factory.mktemp("world")
    roads = write_dataset(folder / "roads", 24, seed=0, size=32)
    howfar.profile(roads, "colour_moments", store=folder / "store", progress=False).save(folder / "roads.howfar")
    write_dataset(folder / "new", 40, seed=1, size=32)
    (folder / "rules.json.yaml").write_text(json.dumps(RULES))
    return folder


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE", 0.01)


@pytest.fixture
def place(world: Path, tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def bring(world: Path, place: Path, first: int, last: int) -> None:
    for number in range(first, last + 1):
        shutil.copy(world / "new" / "images" / f"{number:04}.jpg", place / "in")


def begin(world: Path, place: Path, images: str | None = "", rules: Any = RULES, **options: Any) -> Watch:
    return Watch(str(place / "in") if images == "" else images, world / "roads.howfar", rules, place / "state", options)


def rows(place: Path) -> tuple[Any, ...]:
    return log.read(place / "state" / "log.jsonl")[0]


def label(place: Path, **performance: float | str) -> None:
    """Fill in labels.csv, by the names b1, b2 … of batches, as an editor would that saves an older state of the file."""
    file = place / "state" / "labels.csv"
    listed = list(csv.DictReader(StringIO(file.read_text())))
    filled = [f'{row["batch"]},"{row["image"]}",{performance.get("b" + row["batch"], row["performance"])}' for row in listed]
    file.write_text("\r\n".join(["batch,image,performance", *filled]))


def test_each_image_is_taken_once_and_again_only_if_its_content_has_changed(world, place):
    with begin(world, place) as eye:
        assert eye.look().lines() == ["no image has come yet"]
        bring(world, place, 1, 4)
        assert (eye.look().new, eye.look().new) == (4, 0)
        os.utime(place / "in" / "0001.jpg")
        bring(world, place, 5, 5)
        (place / "in" / "torn.png").write_bytes(b"\x89PNG half")
        found = eye.look()
        assert (found.new, found.check.batches[0].n, found.check.batches[0].unreadable) == (2, 5, 1)
        assert any(re.match(r"not read: .*torn\.png: ", line) for line in found.lines())
        # What could not be read is whole now; another image has taken a name.
        Image.open(place / "in" / "0001.jpg").save(place / "in" / "torn.png")
        shutil.copy(world / "new" / "images" / "0009.jpg", place / "in" / "0002.jpg")
        found = eye.look()
        assert (found.new, found.check.batches[0].n, found.check.batches[0].unreadable) == (2, 7, 0)
    assert [(row.key, row.batch.n) for row in rows(place)] == [("batch 1", 7)]
    with begin(world, place) as eye:
        assert eye.look().new == 0
    assert [(row.key, row.batch.n) for row in rows(place)] == [("batch 1", 7)]


def test_the_check_is_that_of_check_and_labels_feed_its_alarm(world, place, tmp_path):
    by_hand = tmp_path / "by_hand.jsonl"
    for number, value in enumerate((0.9, 0.3, 0.2), 1):
        bring(world, place, 10 * number - 9, 10 * number)
        with begin(world, place) as eye:
            asked = eye.look(close=True).to_label
            assert [batch for batch, _ in asked] == [str(number)]
            label(place, **{f"b{number}": value})
            found = eye.look()
            assert (found.to_label, found.new) == ((), 0)
        alone = tmp_path / str(number) / "in"
        alone.mkdir(parents=True)
        for k in range(10 * number - 9, 10 * number + 1):
            shutil.copy(place / "in" / f"{k:04}.jpg", alone)
        table = pd.DataFrame({"dataset": "in", "image": [Path(asked[-1][1]).name], "performance": [value]})
        expected = howfar.check(world / "roads.howfar", alone, RULES, performance=table, log=by_hand)
        assert found.check.alarm.evidence == expected.alarm.evidence
        assert [each.to_dict() if hasattr(each, "to_dict") else each for each in found.check.decisions] == list(
            expected.decisions
        )
    assert len(found.check.alarm.evidence) == 3
    assert found.check.alarm.basis == "labels"


def test_a_batch_ends_with_its_day_and_only_then_asks_for_a_label(world, place, monkeypatch):
    class Clock(datetime):
        late = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 3, 1, 23, 0, tzinfo=UTC) + cls.late

    monkeypatch.setattr(module, "datetime", Clock)
    bring(world, place, 1, 3)
    with begin(world, place) as eye:
        assert eye.look().to_label == ()
        Clock.late = timedelta(minutes=50)
        bring(world, place, 4, 5)
        found = eye.look()
        assert (found.to_label, found.check.batches[0].n) == ((), 5)
        Clock.late = timedelta(hours=2)
        bring(world, place, 6, 6)
        found = eye.look()
    assert [batch for batch, _ in found.to_label] == ["1"]
    assert [(row.key, row.batch.n) for row in rows(place)] == [("batch 1", 5), ("batch 2", 1)]


RUN = "import sys, howfar.integrations.folder_watch as w, howfar.cli.main as c; w.SETTLE = 0.01; sys.exit(c.run(sys.argv[1:]))"


def test_kill_9_at_any_moment_loses_and_repeats_no_image(world, place):
    words = ["watch", str(place / "in"), "--profile", str(world / "roads.howfar"), "--rules", str(world / "rules.json.yaml")]
    words += ["--out", str(place / "state"), "--batch-size", "1", "--workers", "1"]
    journal = place / "state" / "arrived.jsonl"
    for number in (1, 2):
        bring(world, place, 10 * number - 9, 10 * number)
        process = subprocess.Popen([sys.executable, "-c", RUN, *words, "--every", "0.01"], stdout=subprocess.DEVNULL)
        until, wanted = time.monotonic() + 120, 10 * number - 6
        while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b"\n") >= wanted):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # A kill within a line leaves a part of it.
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // number])
        if number == 2:
            (place / "state" / "log.jsonl").unlink(missing_ok=True)
    bring(world, place, 21, 30)
    with begin(world, place) as eye:
        found = eye.look(close=True)
    images = [Path(json.loads(line)["path"]).name for line in journal.read_text().splitlines() if "path" in line]
    assert sorted(images) == [f"{number:04}.jpg" for number in range(1, 31)]
    assert [(row.key, row.batch.n) for row in rows(place)] == [("batch 1", 30)]
    assert found.check.batches[0].n == 30


def test_an_image_waits_for_its_map_and_is_judged_by_it(tmp_path):
    site, truth, maps = write_site(tmp_path, 12)
    shutil.copytree(truth, site / "masks")
    scores = howfar.evaluate(site, maps, progress=False)
    other, _, _ = write_site(tmp_path / "other", 12, seed=3)
    known = {"labelled": site, "performance": scores, "store": tmp_path / "store", "progress": False}
    howfar.profile(f"roads={other}", "colour_moments", **known).save(tmp_path / "roads.howfar")
    (tmp_path / "in").mkdir()
    (tmp_path / "maps-in").mkdir()
    for number in (1, 2, 3):
        shutil.copy(site / "images" / f"{number:04}.jpg", tmp_path / "in")
    with begin(tmp_path, tmp_path, predictions=str(tmp_path / "maps-in")) as eye:
        assert eye.look().lines() == ["no image has come yet, 3 images wait for the whole file or its map"]
        for number in (1, 3):
            shutil.copy(maps / f"{number:04}.png", tmp_path / "maps-in")
        found = eye.look()
        assert (found.new, found.waiting, found.check.batches[0].judged) == (2, 1, 2)
        shutil.copy(maps / "0002.png", tmp_path / "maps-in")
        found = eye.look(close=True)
    assert (found.new, found.waiting, found.check.batches[0].n) == (1, 0, 3)
    whole = howfar.check(tmp_path / "roads.howfar", tmp_path / "in", RULES, predictions=tmp_path / "maps-in")
    assert found.check.batches[0].mean_predicted == pytest.approx(whole.batches[0].mean_predicted, abs=1e-12)
    assert found.check.batches[0].failures == whole.batches[0].failures


def test_an_s3_prefix_is_watched(world, place, bucket):
    import fsspec

    system = fsspec.filesystem("s3")
    for number in range(1, 4):
        system.put(str(world / "new" / "images" / f"{number:04}.jpg"), f"{bucket}/{number}.jpg")
    with begin(world, place, bucket) as eye:
        assert (eye.look().new, eye.look().new) == (3, 0)
    with fsspec.open(f"{bucket}/4.jpg", "wb") as file:
        file.write((world / "new" / "images" / "0004.jpg").read_bytes())
    with begin(world, place, bucket) as eye:
        found = eye.look(close=True)
    assert (found.new, found.check.batches[0].n, found.to_label[0][1].startswith(f"{bucket}/")) == (1, 4, True)


def test_the_page_needs_its_token_and_shows_verdict_and_image(world, place):
    bring(world, place, 1, 3)
    page = WatchPage("in & out")
    with begin(world, place) as eye, serving(page) as address:
        page.found = eye.look(close=True)
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode()
        assert "<h1>in &amp; out</h1>" in text
        assert "UNDECIDED: 3 images checked against roads" in text
        with urllib.request.urlopen(f"{address}image") as answer:
            shown = np.asarray(Image.open(BytesIO(answer.read())))
        asked = np.asarray(Image.open(page.found.to_label[0][1]).convert("RGB"))
        assert np.array_equal(shown, asked)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.replace(page.token, "other"))


def test_the_command_prints_and_exits_as_check_does_and_takes_a_list(world, place, monkeypatch, capsys):
    words = ["--profile", str(world / "roads.howfar"), "--rules", str(world / "rules.json.yaml"), "--out", str(place / "state")]
    assert run(["watch", str(place / "in"), *words, "--once"]) == 0
    assert capsys.readouterr().out.endswith("no image has come yet\n")
    bring(world, place, 1, 2)
    assert run(["watch", str(place / "in"), *words, "--once", "--json", "--prometheus", str(place / "h.prom")]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["new"], document["check"]["outcome"], list(document["to_label"])) == (2, "breach", ["1"])
    assert "howfar_check_images" in (place / "h.prom").read_text()
    listed = [str(world / "new" / "images" / f"{number:04}.jpg") for number in (1, 2, 3)]
    words[-1] = str(place / "listed")
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", type("", (), {"buffer": BytesIO("\n".join(listed).encode())}))
        assert run(["watch", "-", *words]) == 4
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("UNDECIDED: 3 images checked against roads (3 new)")


def spoil(file: Path, mark: bytes) -> None:
    """Change the digit behind a mark."""
    data = bytearray(file.read_bytes())
    at = data.index(mark) + len(mark)
    data[at] = ord("7") if data[at] != ord("7") else ord("3")
    file.write_bytes(data)


def label_of_none(place: Path) -> None:
    with (place / "state" / "labels.csv").open("a") as file:
        file.write("7,a.jpg,0.5\n")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda place: label(place, b1="1.5"), r"performance of batch 1 in .*labels\.csv must lie between 0 and 1, got '1\.5'"),
        (lambda place: label(place, b1="good"), r"performance of batch 1 .* got 'good'"),
        (
            lambda place: (place / "state" / "labels.csv").write_text("a\n1\n"),
            "must have the columns batch, image, performance",
        ),
        (label_of_none, r"batch in .*labels\.csv must be one of 1, got '7'"),
        (lambda place: (place / "state" / "arrived.jsonl").write_text("{}\n"), r"arrived\.jsonl is damaged: move .*state away"),
        (lambda place: spoil(place / "state" / "arrived.jsonl", b'"i_dist_mean": '), r"arrived\.jsonl is damaged: move "),
        (lambda place: (place / "state" / "labels.csv").write_bytes(b"\xff"), r"labels\.csv cannot be read .*pass UTF-8 CSV"),
        (lambda place: (place / "in").rename(place / "gone"), "FOLDER must be there, got .*in'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change, line, world, place):
    bring(world, place, 1, 2)
    with begin(world, place) as eye:
        eye.look(close=True)
    change(place)
    with pytest.raises(HowfarError, match=line), begin(world, place) as eye:
        eye.look()


def test_one_at_a_time_and_by_one_profile(world, place):
    line = "out must be of one howfar watch at a time, got"
    with begin(world, place), pytest.raises(HowfarError, match=line), begin(world, place):
        pass
    howfar.profile(world / "new", "colour_moments", store=place / "store", progress=False).save(place / "roads.howfar")
    line = "profile must be that with which .*state was begun, got .*: watch into another folder"
    with pytest.raises(HowfarError, match=line), begin(place, place):
        pass
