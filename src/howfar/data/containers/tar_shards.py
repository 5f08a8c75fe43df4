"""Read webdataset tar shards: files of the same key (path without extension) are an image, its class and its mask."""

import tarfile
from collections.abc import Iterator
from os import SEEK_END
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

from howfar.data.containers.container_base_classes import ContainerListing, Member
from howfar.data.image_and_mask_folders import LOCAL_ONLY, NOT_TEXT, STACKS, is_text, suffix_of, unread
from howfar.data.image_formats import image_endings
from howfar.errors import ImageError, InputError
from howfar.io.file_location import Location, open_binary, read_range
from howfar.memory import check_file

LABELS = (".cls", ".txt")
"""Endings of members that say an image's class, the one that counts first."""

MASKS = (".mask", ".seg")
"""What stands between an image's key and the ending of its mask: ``0001.jpg``, ``0001.mask.png``."""

# Headers lie between the images. Behind a URL one request fetches this much: what is small is fetched together with its
# neighbours' headers, what is large is passed over.
_BLOCK = 1 << 18
_LONGEST_LABEL = 4096
_HEADER_COPIES: Final = 48
"""Bytes that Python takes at most for a byte of a member's headers: long lists of short texts take the most."""
_MEMBER: Final = 1 << 10
"""Bytes that are held for a member that is listed, beside its texts."""
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class _HeaderFile:
    """Read a tar file for `tarfile`, but refuse headers that would take more memory than is allowed before they are read."""

    def __init__(self, file: BinaryIO, location: Location) -> None:
        self._file, self._location, self.tell = file, location, file.tell
        self.size = file.seek(0, SEEK_END)
        # Bytes of the members found so far, of headers that hold for all members, and of the current member's headers.
        self.listed = self.shared = self.header = 0
        self.seek(0)

    def seek(self, place: int) -> int:
        """Go to a place in the file, or to its end where a header leads beyond."""
        return self._file.seek(min(place, self.size))

    def read(self, size: int) -> bytes:
        """Read bytes of a member's headers; raise `InputError` if they and the members listed exceed the memory budget."""
        self.header += size
        check_file(self.listed + _HEADER_COPIES * (self.shared + self.header), self._location, self.size)
        return self._file.read(size)


class TarShard:
    """Read tar members by their offsets, after reading all headers once."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._spans: dict[str, tuple[int, int]] = {}
        self._labels: dict[str, str] = {}
        self._faults: list[tuple[str, str]] = []
        with open_binary(location, _BLOCK) as file:
            head = file.read(6)
            for magic, method in _COMPRESSED.items():
                if head.startswith(magic):
                    raise compressed(location, method)
            headers = _HeaderFile(file, location)
            try:
                self._index(headers)
            except (tarfile.TarError, RecursionError) as error:
                if not self._spans:
                    raise InputError(f"{location} is not a readable tar file ({error})") from error
                self._faults.append(("", f"damaged after {len(self._spans)} members ({error}): what follows is not read"))
            self._end = headers.size

    def listing(self) -> ContainerListing:
        """List the images in the order of their last entry; a class or mask belongs to the image with the same key."""
        masks = {key: name for name in self._spans if (key := _image_of(name))}
        images = [name for name in self._spans if not _image_of(name)]
        members = [Member(name, name, masks.pop(_key(name), None), self._label(name)) for name in images]
        lonely = [(name, "mask: its image is missing") for name in masks.values()]
        return ContainerListing(tuple(members), (*self._faults, *lonely))

    def has(self, inner_path: str) -> bool:
        """Return whether the tar file holds this image or mask."""
        return inner_path in self._spans

    def read(self, inner_path: str) -> bytes:
        """Return a member's bytes, read at its offset."""
        if inner_path not in self._spans:
            raise ImageError("no such file")
        start, size = self._spans[inner_path]
        whole = start + size <= self._end
        check_file(size if whole else 0, self._location / inner_path)
        data = read_range(self._location, start, size) if size and whole else b""
        if len(data) < size:
            raise ImageError("cut short: its tar file ends before it")
        return data

    def _index(self, headers: _HeaderFile) -> None:
        for member in _members(headers):
            path = PurePosixPath(member.name)
            if member.isdir() or any(part.startswith(".") for part in path.parts):
                continue
            name, suffix = path.as_posix().lstrip("/"), path.suffix.lower()
            if suffix in image_endings():
                if not member.isreg() or member.issparse():
                    self._faults.append((name, "a link or special file within the tar"))
                elif not is_text(member.name):
                    self._faults.append((name, NOT_TEXT))
                else:
                    self._spans.pop(name, None)  # of two members of one name the later replaces the earlier
                    self._spans[name] = (member.offset_data, member.size)
            elif suffix in LABELS and member.isreg() and member.size <= _LONGEST_LABEL:
                headers.seek(member.offset_data)
                self._labels[name] = headers.read(member.size).decode("utf-8", "replace").strip()
                headers.listed += 2 * member.size  # here, and in the table of the dataset
            elif reason := LOCAL_ONLY if suffix_of(name) in STACKS else unread(suffix):
                self._faults.append((name, reason))
            else:
                continue
            headers.listed += _MEMBER + 4 * len(name)

    def _label(self, name: str) -> str | None:
        """Find an image's class in the member that shares its key (the name up to its last or first dot)."""
        path = PurePosixPath(name)
        keys = (_key(name), path.with_name(path.name.partition(".")[0]).as_posix())
        labels = (self._labels.get(f"{key}{suffix}") for suffix in LABELS for key in keys)
        return next((label for label in labels if label), None)


def _members(headers: _HeaderFile) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=cast(BinaryIO, headers), mode="r:") as tar:
        while (member := tar.next()) is not None:
            yield member
            cast(Any, tar).members.clear()  # it would keep a kilobyte a member
            headers.header, headers.shared = 0, sum(map(len, (*tar.pax_headers, *tar.pax_headers.values())))


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _image_of(name: str) -> str:
    """Return the key of the image that a mask member belongs to; "" for other members."""
    key = PurePosixPath(_key(name))
    return key.with_suffix("").as_posix() if key.suffix.lower() in MASKS else ""


def compressed(location: Location, how: str) -> InputError:
    """Return the error for a compressed tar file."""
    remedy = "each member is read by itself, so write it as plain .tar"
    return InputError.of("a tar shard", "must not be compressed", f"{location} ({how})", remedy)
