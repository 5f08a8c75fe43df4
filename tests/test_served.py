"""The tests' own S3 server."""

from __future__ import annotations

import subprocess
import sys

import fsspec

CODE = "import fsspec, sys; print(fsspec.open(sys.argv[1], 'rb').open().read())"


def test_a_bucket_takes_bytes_and_gives_ranges_of_them(bucket: str) -> None:
    with fsspec.open(f"{bucket}/a/b.bin", "wb") as file:
        file.write(b"12345")
    system, root = fsspec.url_to_fs(bucket)
    assert system.cat_file(f"{root}/a/b.bin", start=1, end=3) == b"23"


def test_it_reaches_a_process_of_its_own(bucket: str) -> None:
    with fsspec.open(f"{bucket}/a.bin", "wb") as file:
        file.write(b"12345")
    out = subprocess.run([sys.executable, "-c", CODE, f"{bucket}/a.bin"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "b'12345'"


def test_it_begins_empty(bucket: str) -> None:
    system, root = fsspec.url_to_fs(bucket)
    assert not system.exists(root)
