"""Files that lie about what they hold are refused in one line: none ends the interpreter or takes more than is allowed."""

import io
import json
import resource
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fuzz.table_mutations import not_utf8
from howfar.data import Dataset, Item, arrow_subprocess, decode, image_decoding, parse, read_bytes
from howfar.data.arrow_subprocess import first_look
from howfar.data.class_names_and_predictions import read_classes
from howfar.data.embedding_files import load_embeddings
from howfar.data.image_and_mask_folders import natural_key
from howfar.data.image_bytes import exists
from howfar.data.image_decoding import decoding, pictures_in_use
from howfar.data.label_files import read_labels
from howfar.data.prediction_maps import read_prediction
from howfar.data.sharded_and_hub_datasets import expand
from howfar.errors import ImageError, InputError
from howfar.memory import check_file, file_limit, within
from packed import write_saved

PICTURES = {f"{number}.jpg": bytes([65 + number]) * 100 for number in range(6)}


def lying(folder: Path, word: int = -1) -> Path:
    """A saved dataset whose offsets to the images' bytes lead outside of the file."""
    write_saved(folder, PICTURES, shards=1)
    file = next(folder.glob("*.arrow"))
    data = bytearray(file.read_bytes())
    offsets = np.array([0, 100, 200, 300, 400], np.int32).tobytes()
    place = data.index(offsets)
    data[place + 8 : place + 12] = np.int32(word).tobytes()
    file.write_bytes(data)
    return folder


@pytest.mark.parametrize("word", [-1, 2**31 - 1, -(2**31), 10**9])
def test_bad_offsets_are_one_line(tmp_path: Path, word: int) -> None:
    with pytest.raises(InputError, match="is not a readable Arrow file") as error:
        parse(lying(tmp_path / "saved", word))
    assert "\n" not in str(error.value)


def test_a_file_that_ends_the_process_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is exchanged for one that kills itself over the second file."""
    program = tmp_path / "look.py"
    lines = (
        "import json, os, sys",
        "for file in sys.argv[4:]:",
        "    'bad' in file and os.abort()",
        "    print(json.dumps(('', 7)), flush=True)",
    )
    program.write_text("\n".join(lines))
    monkeypatch.setattr(arrow_subprocess, "__file__", str(program))
    files = [tmp_path / name for name in ("a.arrow", "bad.arrow", "c.arrow")]
    for file in files:
        file.write_bytes(b"x")
    looked = first_look(files, 10**9)
    assert [verdict.fault for verdict in looked] == ["", "reading it ends the interpreter", ""]
    assert [verdict.unpacked for verdict in looked] == [7, 0, 7]


def test_a_look_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "look.py"
    program.write_text("import time\ntime.sleep(60)")
    monkeypatch.setattr(arrow_subprocess, "__file__", str(program))
    monkeypatch.setattr(arrow_subprocess, "SECONDS", 0.5)
    (tmp_path / "a.arrow").write_bytes(b"x")
    assert first_look([tmp_path / "a.arrow"], 10**9)[0].fault == "reading it takes too long"


def test_a_file_is_looked_at_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = next(write_saved(tmp_path / "saved", PICTURES, shards=1).glob("*.arrow"))
    assert first_look([file], 10**9)[0].fault == ""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was looked at again")

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", never)
        assert first_look([file], 10**9)[0].fault == ""
    file.write_bytes(b"another")
    assert first_look([file], 10**9)[0].fault


def test_compressed_arrow_files_state_what_they_take(tmp_path: Path) -> None:
    table = pa.table({"image": pa.array([bytes(30 << 20)], pa.binary())})
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table)
    assert (tmp_path / "t.arrow").stat().st_size < 10_000
    with within("20MB"), pytest.raises(InputError, match=r"memory must be at least .* MB to read .*t\.arrow"):
        parse(tmp_path / "t.arrow")
    assert len(parse(tmp_path / "t.arrow")) == 1


@pytest.mark.parametrize("name", ["a\0b.arrow", "\ud800.arrow", 7, None, ["a"]])
def test_names_that_no_file_has(tmp_path: Path, name: object) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(InputError, match=r"lists no data files|half a character"):
        parse(tmp_path)
    (tmp_path / "state.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read"):
        parse(tmp_path)
    (tmp_path / "state.json").unlink()
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    with pytest.raises(InputError, match=r"names no split|half a character"):
        parse(tmp_path)


def test_rows_that_hold_a_path_with_nul(tmp_path: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    pq.write_table(pa.table({"image": pa.array([{"bytes": None, "path": "a\0b"}], kind)}), tmp_path / "t.parquet")
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(parse(tmp_path / "t.parquet").items[0].path)


def zipped_array() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, np.eye(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        ("(" * 5000, bytes(40)),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (", bytes(40)),
        ("'", bytes(40)),
        ("\t1\n 2", bytes(40)),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (10**12, 3)}", bytes(40)),
        (None, zipped_array()),
        (None, zipped_array()[:150]),
        (None, b"PK\3\4"),
    ],
)
def test_damaged_headers_of_npy_and_archives_named_npy(tmp_path: Path, start: str | None, rest: bytes) -> None:
    header = b"" if start is None else start.encode().ljust(54) + b"\n"
    head = b"" if start is None else b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "e.npy").write_bytes(head + header + rest)
    with pytest.raises(InputError, match="cannot be read"):
        load_embeddings(tmp_path / "e.npy")
    with pytest.raises(ImageError, match=r"not a \.npy array|an archive of arrays"):
        read_prediction(tmp_path / "e.npy")


@pytest.mark.parametrize(
    ("columns", "read", "line"),
    [
        ({"image": not_utf8(2), "label": ["a", "b"]}, parse, "is not a readable table"),
        ({"image": not_utf8(2), "embedding": [[1.0], [2.0]]}, parse, "is not a readable table"),
        ({"image": not_utf8(2), "predicted": ["a", "b"]}, read_classes, "cannot be read"),
        ({"image": ["1"], "predicted": ["a"], "confidence": [[0.5, 0.5]]}, read_classes, "column confidence holds list"),
    ],
)
def test_text_that_is_not_utf8_and_lists_among_numbers(columns, read, line, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=line) as error:
        read(tmp_path / "t.parquet")
    assert "\n" not in str(error.value)


def test_names_of_thousands_of_digits(tmp_path: Path) -> None:
    names = ["a" + "9" * 4301, "a2", "a10", "a02", "a" + "1" * 4302]
    assert sorted(names, key=natural_key) == ["a02", "a2", "a10", names[0], names[4]]
    pq.write_table(pa.table({"image": pa.array([b"x"], pa.binary())}), tmp_path / "t.parquet")
    assert exists(tmp_path / "t.parquet" / "0")
    assert not exists(tmp_path / "t.parquet" / ("9" * 4301))
    with pytest.raises(InputError, match="must have ranges that rise"):
        expand("s-{0.." + "9" * 4301 + "}.tar")


def test_embeddings_that_take_a_thousand_times_their_file(tmp_path: Path) -> None:
    file = tmp_path / "e.parquet"
    numbers = pa.array(np.zeros(40_000_000, np.float32))
    lists = pa.FixedSizeListArray.from_arrays(numbers, 100).cast(pa.list_(pa.float32()))
    pq.write_table(pa.table({"embedding": lists}), file, compression="zstd", row_group_size=400_000)
    assert file.stat().st_size < 100_000
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    with within("100MB"), pytest.raises(InputError, match=r"memory must be at least [\d,]+ MB to read .*e\.parquet, got"):
        parse(file)
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_texts_that_are_kept_once_and_named_often(tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(np.zeros(3000, np.int32), pa.array(["a" * 100_000]))
    pq.write_table(pa.table({"image": text}), tmp_path / "t.parquet", compression="zstd")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with within("50MB"), pytest.raises(InputError, match="memory must be at least"):
        parse(tmp_path / "t.parquet")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 150_000


def test_zip_bombs_are_refused_by_their_directory(tmp_path: Path) -> None:
    from howfar.io import array_files_and_archives

    with zipfile.ZipFile(tmp_path / "p.howfar", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("manifest.json", "{}")
        packed.writestr("x.npy", bytes(200 << 20))
    assert (tmp_path / "p.howfar").stat().st_size < 300_000
    tracemalloc.start()
    with within("100MB"), pytest.raises(InputError, match=r"memory must be at least 420 MB to read .*p\.howfar"):
        array_files_and_archives.read(tmp_path / "p.howfar")
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_the_limit_with_and_without_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (file_limit(), file_limit(1 << 30)) == (2 << 30, 16 << 30)
    check_file(2 << 30, "x")
    with pytest.raises(InputError, match=r"--memory 2148MB"):
        check_file((2 << 30) + 1, "x")
    limits: list[int] = []
    with within("100MB"):
        thread = threading.Thread(target=lambda: limits.append(file_limit()))
        thread.start()
        thread.join()
    assert limits == [10**8]
    monkeypatch.setenv("HOWFAR_MEMORY", "3GB")
    assert file_limit(1 << 40) == 3 * 10**9
    with within("1GB"):
        assert file_limit() == 10**9
    monkeypatch.setenv("HOWFAR_MEMORY", "much")
    with pytest.raises(InputError, match="HOWFAR_MEMORY must be a size, got 'much'"):
        file_limit()


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("L", (3000, 3000)).save(buffer, "png")
    with within("10MB"), pytest.raises(ImageError, match=r"3000×3000 pixels take 45 MB to decode, above the 10 MB"):
        decode(buffer.getvalue())
    assert decode(buffer.getvalue()).image.size == (3000, 3000)


def test_large_pictures_wait_for_each_other() -> None:
    together, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with pictures_in_use(), decoding(60, "one"):
            with lock:
                together[0] += 1
                most[0] = max(most[0], together[0])
            stop.wait(0.02)
            with decoding(60, "its mask"):  # what a thread holds itself is not waited for
                pass
            with lock:
                together[0] -= 1

    stop = threading.Event()
    with within(100):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert most == [1]


def test_transparency_is_laid_on_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 4), dtype=np.uint8))
    palette = image.convert("P")
    palette.info["transparency"] = 3
    whole = [np.asarray(image_decoding.to_rgb(picture)) for picture in (image, palette)]
    monkeypatch.setattr(image_decoding, "_BAND", 123)
    for picture, wanted in zip((image, palette), whole, strict=True):
        assert (np.asarray(image_decoding.to_rgb(picture)) == wanted).all()


def test_labels_of_pictures_that_are_said_to_be_huge(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 9000, "height": 9000} for number in range(4)]
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "annotations": []}))
    dataset = Dataset("roads", (Item("1.jpg", Path("1.jpg")),))
    with within("245MB"), pytest.raises(InputError, match=r"memory must be at least 324 MB to read the masks of the labels"):
        read_labels(dataset, tmp_path / "coco.json")
    with within("100MB"), pytest.raises(InputError, match=r"memory must be at least 243 MB to read a shape of the labels"):
        read_labels(dataset, tmp_path / "coco.json")


def test_one_byte_of_weights(tmp_path: Path) -> None:
    from howfar.weights.state_dicts import read_state_dict

    for data in (b"\x80", b"P", b"\0", b""):
        (tmp_path / "w.pth").write_bytes(data)
        with pytest.raises(InputError, match="weights must"):
            read_state_dict(tmp_path / "w.pth")


def test_the_command_ends_with_one_line(tmp_path: Path) -> None:
    saved = lying(tmp_path / "saved", 2**31 - 1)
    command = [sys.executable, "-c", "from howfar.cli.main import main; main()", "compare", str(saved), str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    # Where the machine is busy, lines before it say how long the command has run.
    assert [line[:8] for line in done.stderr.splitlines() if not line.startswith("howfar compare: ")] == ["howfar: "]
    assert "is not a readable Arrow file" in done.stderr
