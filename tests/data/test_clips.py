"""Frames of a clip at a rate are images of one group, without near-duplicates; what cannot be decoded is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import howfar
from howfar.arrays import group_numbers
from howfar.data import Dataset, decode, parse, read_bytes
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.pixel_options import reading_pixels
from howfar.selection import named
from howfar.selection.function_strategy import pick_by_group
from tiny_checkpoints import tiny_checkpoint

av = pytest.importorskip("av")
RATE = 10


def scene(number: int, seed: int) -> NDArray[np.uint8]:
    """Return a frame of one of many scenes, each of them blocks of its own colours."""
    blocks = np.random.default_rng((seed, number)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def clip(file: Path, seconds: int = 6, seed: int = 0, still: int = 1, codec: str = "libx264") -> Path:
    """Write a clip in which each scene lasts `still` seconds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(RATE * seconds):
            frame = av.VideoFrame.from_ndarray(scene(number // (RATE * still), seed), format="rgb24")
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
    scores = howfar.Profile.load(tmp_path / "run" / "profile.howfar").score(tmp_path / "drive" / "0.mp4", frames="2/s")
    assert len(scores.images) == 4  # each scene lasts a second
    place, maps, out = tmp_path / "drive", tmp_path / "maps", tmp_path / "to-certify"
    howfar.predict(tmp_path / "tiny.safetensors", place, maps, frames="1/s", progress=False)
    assert howfar.certify(place, maps, k=3, out=out, frames="1/s", progress=False).site.reading == {"frames": "1/s"}
    checked = {check.what: check.status for check in howfar.verify(out, maps, images=place).checks}
    assert {checked[what] for what in ("images", "predictions", "draw")} == {"agrees"}


def test_a_choice_is_spread_over_clips_and_then_over_their_time() -> None:
    groups = group_numbers(["a"] * 8 + ["b"] * 8)
    columns = {"distance": np.linspace(1, 0, 16)}
    chosen = pick_by_group(named("near"), columns, 8, np.random.default_rng(0), np.zeros(16, bool), groups)
    assert [sorted(chosen[:count].tolist()) for count in (2, 4)] == [[7, 15], [3, 7, 11, 15]]
    assert sorted(chosen.tolist()) == [1, 3, 5, 7, 9, 11, 13, 15]
