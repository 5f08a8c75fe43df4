"""Peak memory of a process: it must not grow with images, maps or sets, nor with what a small file expands to."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from packed import FILE, tar_bytes

PROBE = """
import json, sys
import howfar, pandas, pyarrow.parquet
import pyarrow.compute
from howfar.data import Dataset, Item, parse, read_bytes
from howfar.errors import HowfarError
from howfar.data.label_files import read_labels
from howfar.io.untrusted_parquet import read_frame
from howfar.memory import peak_mib, within
given, before, refused = sys.argv[1:], peak_mib(), ""
try:
    {work}
except HowfarError as error:
    refused = str(error)
print(json.dumps([peak_mib() - before, refused]))
"""


def peak(work: str, *given: object) -> tuple[float, str]:
    """Do some work on `given` in a process of its own; return its MiB above the imports, and the line of a refusal."""
    command = [sys.executable, "-c", PROBE.format(work=work), *map(str, given)]
    grown, refused = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    return float(grown), str(refused)


def accepted(work: str, *given: object) -> float:
    grown, refused = peak(work, *given)
    assert refused == ""
    return grown


def write_blotches(folder: Path, count: int) -> None:
    """Write different images of 256 px quickly."""
    folder.mkdir()
    rng = np.random.default_rng(count)
    for k in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((256, 256), Image.Resampling.BILINEAR).save(folder / f"{k:04d}.jpg")


def test_images_are_not_held(tmp_path: Path) -> None:
    """Ten times the images: decoded, 900 more at 256 px would take 177 MB, and as float32 four times that."""
    for name, count in (("many", 1000), ("few", 100), ("site", 50)):
        write_blotches(tmp_path / name, count)
    work = "howfar.compare(*given[:2], store=given[2], progress=False, workers=2, backbone='colour_moments')"
    few, many = (accepted(work, tmp_path / name, tmp_path / "site", tmp_path / f"s-{name}") for name in ("few", "many"))
    assert many - few < 150


def test_features_are_read_in_pieces(tmp_path: Path) -> None:
    """2,000 against 200 rows of q = 1,280 made by hand: moments, distances and intervals stay within 150 MB of each other."""
    rng = np.random.default_rng(0)
    for name, n in (("few", 200), ("many", 2000), ("site", 200)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 1280)).astype(np.float32))
    work = "howfar.compare(*given, progress=False, workers=2)"
    few, many = (accepted(work, tmp_path / f"{name}.npy", tmp_path / "site.npy") for name in ("few", "many"))
    assert many - few < 150


def test_sets_are_not_held(tmp_path: Path) -> None:
    """40 sets more of 8 MB each, of which the table keeps 0.4 MB: less than a quarter of them is in memory at a time."""
    files = [tmp_path / f"set{place:02d}.npy" for place in range(45)]
    for place, file in enumerate(files):
        np.save(file, np.random.default_rng(place).normal(size=(1000, 1024)))
    work = "howfar.compare(given[0], given[1:], bootstrap=0, permutations=0, rivals=False)"
    few, many = (accepted(work, *files[:count]) for count in (5, 45))
    assert many - few < 80


def test_maps_are_not_held(tmp_path: Path) -> None:
    """180 more maps of 448 px and their masks would take 72 MB as bytes, and 290 MB as float32."""
    rng, side, peaks = np.random.default_rng(0), 448, []
    grey = Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8))
    mask = Image.fromarray((rng.random((side, side)) > 0.9).astype(np.uint8) * 255)
    for n in (20, 200):
        for part, picture in (("images", grey), ("masks", mask), ("maps", grey)):
            folder = tmp_path / str(n) / part
            folder.mkdir(parents=True)
            for number in range(n):
                picture.save(folder / f"{number:04d}.bmp")
        work = "assert howfar.evaluate(*given[:2], progress=False).scored == int(given[2])"
        peaks.append(accepted(work, tmp_path / str(n), tmp_path / str(n) / "maps", n))
    assert peaks[1] - peaks[0] < 40


def texts(file: Path) -> None:
    """Write 1 GB of equal texts in some kilobytes of Parquet."""
    column = pa.DictionaryArray.from_arrays(np.zeros(3_100_000, np.int32), pa.array(["a" * 320]))
    pq.write_table(pa.table({"image": column}), file, compression="zstd", store_schema=False, row_group_size=1 << 30)


def packed(name: str, before: str, piece: str, count: int, after: str, file: Path) -> None:
    """Write labels of one repeated piece as a tool packs them."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        member.write(before.encode())
        for _ in range(count // 10**6):
            member.write(piece.encode() * 10**6)
        member.write(after.encode())


CVAT = '<annotations><image id="0" name="1.png" width="8" height="6">'
LABELS = {
    "points": ("a.xml", f'{CVAT}<polygon label="f" points="', "1,1;", 50 * 10**6, '1,1"/></image></annotations>'),
    "runs": (
        "a.xml",
        f'{CVAT}<mask label="f" left="0" top="0" width="8" height="6" rle="',
        "1,",
        10**8,
        '1"/></image></annotations>',
    ),
    "tags": ("a.xml", CVAT, "<a/>", 60 * 10**6, "</image></annotations>"),
    "text": ("a.xml", CVAT, "a", 9 * 10**8, "</image></annotations>"),
    "json": ("a.json", '{"x":"', "a", 9 * 10**8, '","images":[],"annotations":[],"categories":[]}'),
}
READ_LABELS = "read_labels(Dataset('roads', (Item('1.png', given[0]),)), given[0])"


@pytest.mark.parametrize("limit", ["", "1GB", "300MB"], ids=["2 GiB by default", "1 GB", "300 MB"])
def test_a_table_of_repeated_texts_is_refused_before_it_is_held(limit: str, tmp_path: Path) -> None:
    """Read without a limit the table took 5.3 GB."""
    texts(tmp_path / "t.parquet")
    grown, refused = peak("with within(given[1] or None): parse(given[0])", tmp_path / "t.parquet", limit)
    # The true need is named at once, and the table is never held.
    assert "must be at least 5,332 MB" in refused
    assert grown < 1000


@pytest.mark.parametrize("kind", ["map", "fixed list", "fixed bytes", "nulls"])
def test_cells_of_any_type_that_expand_are_refused_before_they_are_held(kind: str, tmp_path: Path) -> None:
    long = "x" * 1_000_000
    column = {
        "map": pa.array([[(str(k), long) for k in range(20)]] * 30, pa.map_(pa.string(), pa.string())),
        "fixed list": pa.array([[long] * 20] * 30, pa.list_(pa.string(), 20)),
        "fixed bytes": pa.array([long.encode()] * 600, pa.binary(1_000_000)),
        "nulls": pa.array([[None] * 60_000_000], pa.list_(pa.int8())),
    }[kind]
    pq.write_table(pa.table({"cells": column}), tmp_path / "t.parquet")
    grown, refused = peak("with within('200MB'): read_frame(given[0], None)", tmp_path / "t.parquet")
    assert "memory must be at least" in refused
    assert grown < 400


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_expand_are_refused_before_they_are_held(kind: str, tmp_path: Path) -> None:
    """Each expands to 200 to 900 MB of text, and some of it to 20 GB of points."""
    file = tmp_path / "labels.zip"
    packed(*LABELS[kind], file)
    assert file.stat().st_size < 2 * 10**6
    grown, refused = peak(f"with within('1GB'): {READ_LABELS}", file)
    assert "must be at least" in refused
    assert grown < 10**9 / 2**20


@pytest.mark.parametrize(("ending", "last", "every"), [("tar", 20, 20), ("parquet", 100, 250)])
def test_containers_are_not_held(ending: str, last: float, every: float, tmp_path: Path) -> None:
    """300 MB of images: to list them and read the last one, and to read all 3,000."""
    file, rng = tmp_path / f"noise.{ending}", np.random.default_rng(0)
    images = [(f"{number:05d}.jpg", rng.bytes(100_000)) for number in range(3000)]
    if ending == "tar":
        file.write_bytes(tar_bytes(images))
    else:  # as Hugging Face's library writes images: a hundred in a row group
        cells = pa.array([{"bytes": data, "path": name} for name, data in images], FILE)
        pq.write_table(pa.table({"image": cells}), file, row_group_size=100)
    assert accepted("read_bytes(parse(given[0]).items[-1].path)", file) < last
    work = "assert sum(len(read_bytes(item.path)) == 100_000 for item in parse(given[0]).items) == 3000"
    assert accepted(work, file) < every


def header(kind: bytes, size: int, text: bytes = b"", name: str = "1.png") -> bytes:
    """Return a member of a tar file, which begins with a text."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT) + text.ljust(-(-len(text) // 512) * 512, b"\0")


IMAGE = header(tarfile.REGTYPE, 9, b"an image.")
TARS = {
    "a header of one member": header(tarfile.XHDTYPE, 1 << 30, b"1073741824 comment="),
    "a header of all members": header(tarfile.XGLTYPE, 1 << 30, b"1073741824 comment="),
    "headers of all members": b"".join(
        header(tarfile.XGLTYPE, 16384, b"16384 %02d=" % number) + bytes(15872) + IMAGE for number in range(30)
    ),
    "a long name": header(tarfile.GNUTYPE_LONGNAME, 1 << 30),
    "a list of pieces": header(tarfile.XHDTYPE, 12 << 20, b"12582912 GNU.sparse.map=" + b"0," * 6_291_443 + b"0\n"),
    "members": b"".join(header(tarfile.REGTYPE, 0, name=f"{number}.png") for number in range(10_000)),
    "classes": b"".join(header(tarfile.REGTYPE, 4096, bytes(4096), f"{number}.cls") for number in range(2000)),
    "files of other formats": b"".join(header(tarfile.REGTYPE, 0, name=f"{number}.heic") for number in range(10_000)),
    "a large image": header(tarfile.REGTYPE, 1 << 30),
}
"""What small tar files begin with that take much memory."""


@pytest.mark.parametrize("kind", TARS)
def test_tar_files_that_expand_are_refused_before_they_are_held(kind: str, tmp_path: Path) -> None:
    with (tmp_path / "s.tar").open("wb") as file:
        file.write(IMAGE + TARS[kind])
        file.truncate(2 << 30)
    work = "with within('10MB'): print(len(read_bytes(parse(given[0]).items[-1].path)))"
    grown, refused = peak(work, tmp_path / "s.tar")
    assert refused.startswith("memory must be at least")
    assert grown < 50
