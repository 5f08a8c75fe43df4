"""Frames of a clip at a rate are images of one group, without near-duplicates; what cannot be decoded is said."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import howfar
from howfar.arrays import group_numbers
from howfar.data import Dataset, decode, parse, read_bytes
from howfar.data.video_frames import Clip
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.image_reading_options import reading_pixels
from howfar.selection import named
from howfar.studies.select_images import pick_by_group
from tiny_studies import tiny_checkpoint

av = pytest.importorskip("av")
RATE = 10


def scene(number: int, seed: int) -> NDArray[np.uint8]:
    """Return a frame of one of many scenes, each of them blocks of its own colours."""
    blocks = np.random.default_rng((seed, number)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def clip(file: Path, seconds: int = 6, seed: int = 0, still: float = 1, codec: str = "libx264", rate: int = RATE) -> Path:
    """Write a clip in which each scene lasts `still` seconds at the usual rate."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(RATE * seconds):
            frame = av.VideoFrame.from_ndarray(scene(int(number // (RATE * still)), seed), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def frames(place: Path, rate: str = "1/s") -> Dataset:
    with reading_pixels({"frames": rate}):
        dataset = parse(place)
    assert isinstance(dataset, Dataset)
    return dataset


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mp4", "libx264"), (".mkv", "ffv1"), (".avi", "mpeg4"), (".mpg", "mpeg2video"), (".mov", "mpeg4")]
)
def test_frames_at_a_rate_are_those_of_a_plain_loop(tmp_path: Path, ending: str, codec: str) -> None:
    file = clip(tmp_path / f"a{ending}", codec=codec)
    dataset = frames(file)
    with av.open(str(file)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][::RATE]
    assert dataset.groups == ["a"] * 6
    assert [dict(item.further)["time"][:3] for item in dataset.items] == [f"{second}.0" for second in range(6)]
    for item, wanted in [*zip(dataset.items, plain, strict=True)][::-1]:  # sought, not in their order
        np.testing.assert_array_equal(np.asarray(decode(read_bytes(item.path)).image), wanted)


def test_near_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    file = clip(tmp_path / "a.mp4", seconds=9, still=3)
    dataset = frames(file)
    assert [item.name for item in dataset.items] == ["a/ms0", "a/ms3000", "a/ms6000"]
    assert [fault.reason for fault in dataset.skipped] == ["6 of 9 frames are left out: near-duplicates of the frame before"]
    with av.open(str(file)) as container:
        times = {packet.pts for packet in container.demux(video=0) if packet.is_keyframe and packet.pts is not None}
    known = {str(item.path).removesuffix(",key"): item.path for item in frames(file, "key").items}
    assert {path.rpartition("=")[2] for path in known} == set(map(str, times))
    for item in dataset.items[:1]:
        assert read_bytes(item.path) == read_bytes(known[str(item.path)])
    assert [item.name for item in frames(file, "6/min").items] == ["a/ms0"]


def test_damaged_clips_are_skipped_with_a_reason(tmp_path: Path) -> None:
    whole = clip(tmp_path / "site" / "a.mp4").read_bytes()
    (tmp_path / "site" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    # FFmpeg would read what such a file names.
    (tmp_path / "site" / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/site/a.mp4\n")
    with av.open(str(tmp_path / "site" / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    dataset = frames(tmp_path / "site")
    assert set(dataset.groups) == {"a"}
    reasons = {Path(fault.path).name: fault.reason for fault in dataset.skipped}
    assert reasons["cut.mp4"].startswith("damaged clip (")
    assert reasons["list.mp4"] == "damaged clip (it does not begin as an MP4, Matroska, AVI, MPEG or WMV file)"
    assert reasons["sound.mkv"] == "a clip without a video stream"
    with pytest.raises(InputError, match="a clip: choose which frames are read, as --frames 1/s"):
        howfar.embed(tmp_path / "site" / "a.mp4", "pixels", progress=False)
    with pytest.raises(InputError, match="frames must be a rate, or key for key frames, got '2': write 1/s or 6/min"):
        howfar.embed(tmp_path / "site", "pixels", frames="2", progress=False)


@pytest.mark.usefixtures("without_figures")
def test_clips_are_assessed_and_scored_by_one_command_each(tmp_path: Path) -> None:
    roads = write_dataset(tmp_path / "roads", 6, seed=0, size=64)
    for seed in range(2):
        clip(tmp_path / "drive" / f"{seed}.mp4", seconds=4, seed=seed)
    tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    options: dict[str, Any] = {"backbone": "colour_moments", "store": tmp_path / "store", "progress": False}
    answers = howfar.assess(
        roads,
        [tmp_path / "drive"],
        tmp_path / "run",
        model=tmp_path / "tiny.safetensors",
        frames="1/s",
        baselines=False,
        **options,
    )
    assert [(site.dataset, site.n) for site in answers.sites] == [("drive", 8)]
    assert answers.sites[0].answer.startswith("drive: F per frame is not known")
    scores = howfar.Profile.load(tmp_path / "run" / "profile.howfar").score(tmp_path / "drive" / "0.mp4", frames="2/s")
    assert len(scores.images) == 4  # each scene lasts a second
    assert scores.caption().startswith("4 frames scored against roads")
    table = pd.DataFrame({"image": [item.name for item in frames(tmp_path / "drive").items], "performance": 0.5})
    rules: dict[str, Any] = {"images": {"at_least": 2}}
    found = howfar.check(
        tmp_path / "run" / "profile.howfar", tmp_path / "drive", rules, performance=table, log=tmp_path / "log", frames="1/s"
    )
    assert found.caption() == "PASS: 8 frames checked against roads"
    assert (found.batches[0].groups, found.batches[0].unit) == ((0,) * 4 + (1,) * 4, "frame")
    place, maps, out = tmp_path / "drive", tmp_path / "maps", tmp_path / "to-certify"
    howfar.predict(tmp_path / "tiny.safetensors", place, maps, frames="1/s", progress=False)
    certificate = howfar.certify(place, maps, k=3, out=out, frames="1/s", progress=False)
    assert certificate.site.reading == {"frames": "1/s"}
    assert (
        certificate.caption()
        == "drive: mean F at threshold 0.50 per frame, not known yet; 0 of 3 drawn frames labelled, 8 in all"
    )
    checked = {check.what: check.status for check in howfar.verify(out, maps, images=place).checks}
    assert {checked[what] for what in ("images", "predictions", "draw")} == {"agrees"}


def test_a_choice_is_spread_over_clips_and_then_over_their_time() -> None:
    groups = group_numbers(["a"] * 8 + ["b"] * 8)
    columns = {"distance": np.linspace(1, 0, 16)}
    chosen = pick_by_group(named("near"), columns, 8, np.random.default_rng(0), np.zeros(16, bool), groups)
    assert [sorted(chosen[:count].tolist()) for count in (2, 4)] == [[7, 15], [3, 7, 11, 15]]
    assert sorted(chosen.tolist()) == [1, 3, 5, 7, 9, 11, 13, 15]


def test_a_clip_is_decoded_once_however_often_it_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, listed = clip(tmp_path / "a.mp4"), list[str]()
    choice = Clip._choice
    monkeypatch.setattr(Clip, "_choice", lambda self, *given: listed.append("") or choice(self, *given))
    first, again, other = frames(file), frames(file), frames(file, "2/s")
    assert (list(first.items), first.skipped, len(listed)) == (list(again.items), again.skipped, 2)
    assert len(other.items) == len(first.items)
    clip(file, seconds=3)
    assert (len(frames(file).items), len(listed)) == (3, 3)


def test_frames_of_one_millisecond_and_clips_of_one_stem_have_names_of_their_own(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", seconds=1, still=0.1, rate=5000)
    dataset = frames(tmp_path / "a.mp4", "5000/s")
    assert [item.name for item in dataset.items][:4] == ["a/ms0", "a/ms0-2", "a/ms0-4", "a/ms1"]
    assert len({item.name for item in dataset.items}) == 10
    clip(tmp_path / "b" / "x.mp4")
    clip(tmp_path / "b" / "x.avi", codec="mpeg4")
    dataset = frames(tmp_path / "b", "key")
    assert {item.name.partition("/")[0] for item in dataset.items} == set(dataset.groups) == {"x-avi", "x-mp4"}


def test_frames_that_are_chosen_are_handed_over_as_pictures(tmp_path: Path) -> None:
    roads = write_dataset(tmp_path / "roads", 6, seed=0, size=64)
    clip(tmp_path / "drive.mp4", seconds=4)
    quick: dict[str, Any] = {"baselines": False, "rivals": False, "bootstrap": 0, "permutations": 0, "progress": False}
    howfar.compare(
        roads, tmp_path / "drive.mp4", "colour_moments", out=tmp_path / "run", store=tmp_path / "store", frames="1/s", **quick
    )
    howfar.select(tmp_path / "run", "drive", 2, "kcenter", out=tmp_path / "chosen", with_images="copy")
    with ZipFile(tmp_path / "chosen" / "coco.zip") as archive:
        named = {entry["file_name"] for entry in json.loads(archive.read("annotations/instances_default.json"))["images"]}
        pictures = {name.removeprefix("images/default/"): archive.read(name) for name in archive.namelist()[1:]}
    assert set(pictures) == named
    assert all(name.startswith("drive/ms") and name.endswith(".png") for name in named)
    assert all(data.startswith(b"\x89PNG") for data in pictures.values())
    exported = tmp_path / "chosen" / "coco.zip"
    done = howfar.import_labels(exported, tmp_path / "chosen", tmp_path / "labels", with_images="copy", complete=True)
    assert {f"{one.image}.png" for one in done.images} == named
