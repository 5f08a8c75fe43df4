"""Read video frames by PyAV (`Clip`): at a chosen rate or key frames only, without near-duplicates of the frame before."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.data.compact_item_table import Item
from howfar.data.image_and_mask_folders import stem
from howfar.data.image_decoding import check_size, decoding, reason_added
from howfar.data.image_stacks import Stack, part, place
from howfar.errors import ImageError, needing
from howfar.image_reading_options import KEY, PixelReading

SIDE: Final = 32
"""Side of the grey thumbnails by which frames are compared."""
ALIKE: Final = 8
"""Levels of 255 by which no pixel of a near-duplicate's thumbnail differs more."""
_AHEAD: Final = 10
"""Seconds up to which the frames on the way to a frame are decoded; one farther away is sought."""
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_FORMATS: Final = {b"\x1aE\xdf\xa3": "matroska", b"RIFF": "avi", b"\0\0\x01\xba": "mpeg", b"\x30\x26\xb2\x75": "asf"}
"""FFmpeg's format by how a file begins: others, as playlists, read what the file names, also from the network."""
_MOST_CHOSEN: Final = 1024
_chosen: dict[tuple[Any, ...], tuple[array[int], str]] = {}
"""The times of the frames chosen from a clip of one path, change and size, since commands list a dataset more than once."""


class Clip(Stack):
    """Read frames of a video file; all frames of one file are a group."""

    def __init__(self, file: Path | str) -> None:
        with needing("needs PyAV: pip install 'howfar[video]'", ImageError):
            import av
        with Path(file).open("rb") as begun:
            head, status = begun.read(8), os.fstat(begun.fileno())
        self._version = str(file), status.st_mtime_ns, status.st_size
        name = "mov" if head[4:] in _BOXES else _FORMATS.get(head[:4])
        if name is None:
            raise ImageError("damaged clip (it does not begin as an MP4, Matroska, AVI, MPEG or WMV file)")
        with reason_added("damaged clip"):
            self._container = av.open(str(file), format=name, options={"protocol_whitelist": "file"})
        if not self._container.streams.video:
            self._container.close()
            raise ImageError("a clip without a video stream")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._frames: Iterator[tuple[int, Any]] = iter(())
        self._at = -1

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decoded(self, start: int, is_key: bool) -> Iterator[tuple[int, Any]]:
        """Yield frames with their times, in units of the stream, from the key frame before a time on."""
        with reason_added("damaged clip"):  # FFmpeg's errors are of many kinds
            self._stream.codec_context.skip_frame = "NONKEY" if is_key else "DEFAULT"
            self._container.seek(start, stream=self._stream)
            for frame in self._container.decode(self._stream):
                time = frame.dts if frame.pts is None else frame.pts
                if time is not None and time >= 0 and not frame.is_corrupt:
                    yield time, frame

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the frames that a reading chooses and that differ from the frame yielded before, with their times."""
        if not reading.frames:
            raise ImageError("a clip: choose which frames are read, as --frames 1/s")
        check_size(self._stream.width, self._stream.height)
        start, unit = self._stream.start_time or 0, float(self._stream.time_base)
        key, last = (*self._version, reading.frames), ""
        if key not in _chosen:
            if len(_chosen) >= _MOST_CHOSEN:
                _chosen.clear()
            _chosen[key] = self._choice(start, unit, reading)
        times, fault = _chosen[key]
        for time in times:
            seconds = (time - start) * unit
            name = f"ms{round(seconds * 1000)}"
            shown, last = f"{name}-{time}" if name == last else name, name
            at = PixelReading(at=f"{time},{KEY}" if reading.frames == KEY else str(time))
            yield part(item, shown, at, clip=stem(item.name), time=f"{seconds:.3f}")
        if fault:
            raise ImageError(fault)

    def _choice(self, start: int, unit: float, reading: PixelReading) -> tuple[array[int], str]:
        """Decode the clip once for the times of its frames, in units of the stream; also return what is left out."""
        is_key, count, near, due, last = reading.frames == KEY, 0, 0, 0.0, None
        times = array("q")
        self._at = -1
        try:
            for time, frame in self._decoded(start, is_key):
                seconds = (time - start) * unit
                if not is_key and seconds < due:
                    continue
                due = 0.0 if is_key else (seconds // reading.seconds + 1) * reading.seconds
                count += 1
                small = frame.reformat(SIDE, SIDE, "gray", interpolation="AREA").to_ndarray().astype(np.int16)
                if last is not None and np.abs(small - last).max() <= ALIKE:
                    near += 1
                    continue
                last = small
                times.append(time)
        except ImageError as error:  # frames before the damage are read
            return times, str(error)
        if not count:
            return times, "no frame of the clip can be decoded"
        return times, f"{near} of {count} frames are left out: near-duplicates of the frame before" if near else ""

    def values(self, reading: PixelReading) -> NDArray[np.uint8]:
        """Return a frame (h, w, bands), turned upright."""
        is_key = reading.at.endswith(KEY)
        wanted = place(PixelReading(at=reading.at.removesuffix(f",{KEY}")), 1)
        if wanted is None or max(reading.bands, default=3) > 3:
            raise ImageError(f"its frames have 3 bands, and a time, not {reading.at}")
        with decoding(2 * 3 * self._stream.width * self._stream.height, "a frame"):
            frame = self._frame_at(wanted[0], is_key)
            values = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
        return np.asarray(values[..., [band - 1 for band in reading.bands]] if reading.bands else values)

    def _frame_at(self, wanted: int, is_key: bool) -> Any:
        """Decode the frame at a time: on the way from the last one, or sought, or, if seeking is not exact, from the start."""
        is_near = 0 <= self._at < wanted <= self._at + _AHEAD / self._stream.time_base and not is_key
        for start in ((None,) if is_near else ()) + (wanted, 0):
            self._frames = self._frames if start is None else self._decoded(start, is_key)
            self._at = -1
            for time, frame in self._frames:
                if time == wanted:
                    self._at = time
                    return frame
                if time > wanted:
                    break
        raise ImageError("this frame cannot be decoded")
