"""Small valid files of every kind that howfar reads from outside."""

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from howfar.data.annotation_formats import label_studio_interface, write_coco, write_cvat, write_label_studio
from howfar.data.annotations import Mark, MarkedImage
from howfar.io import array_files_and_archives
from packed import image_table, tar_bytes, write_saved

Folder: TypeAlias = dict[str, bytes]
"""Files by their paths below a folder; the first is the one that is damaged most."""

GOLDEN = Path(__file__).parents[1] / "golden" / "written_before_0_1" / "files.tar.xz"
START = Path(__file__).parents[2] / "src" / "howfar" / "studies"
STUDY: Folder = {"study.toml": (START / "study_file" / "start.toml").read_bytes()}
"""The study file that howfar writes as a start."""


def picture(form: str = "png", mode: str = "L", side: int = 6, **options: Any) -> bytes:
    """Draw a small picture in one of Pillow's formats and modes."""
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (side, side + 2), dtype=np.uint8))
    made = grey.convert("I").convert("I;16") if mode == "I;16" else grey.convert("RGB").convert(mode) if mode != "L" else grey
    buffer = io.BytesIO()
    made.save(buffer, form, **options)
    return buffer.getvalue()


@cache
def pictures() -> list[Folder]:
    """Draw pictures of the formats and modes that are read, animated and turned ones among them."""
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [Image.new("P", (6, 6), index) for index in range(3)]
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *(("png", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("jpeg", mode, {"exif": turned}) for mode in ("L", "RGB", "CMYK")),
        *(("tiff", mode, {}) for mode in ("1", "L", "RGB", "RGBA", "F", "CMYK", "I;16")),
        *(("tiff", "L", {"compression": method}) for method in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
        *((form, "RGB", {}) for form in ("bmp", "gif", "webp", "ppm", "jpeg2000", "avif")),
        ("gif", "P", {"save_all": True, "append_images": frames}),
    ]
    endings = {"jpeg": "jpg", "jpeg2000": "jp2", "tiff": "tif"}
    return [{f"1.{endings.get(form, form)}": picture(form, mode, **options)} for form, mode, options in kinds]


def table(ending: str, **columns: Any) -> bytes:
    """Write columns as CSV or Parquet."""
    made, sink = pa.table(columns), io.BytesIO()
    if ending == ".csv":
        made.to_pandas().to_csv(sink, index=False)
    else:
        pq.write_table(made, sink)
    return sink.getvalue()


def npy(array: Any) -> bytes:
    """Write an array as .npy."""
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


IMAGES: Folder = {"1.png": picture(), "2.png": picture(mode="RGB"), "m.png": picture(mode="1")}
LISTED = {"image": ["1.png", "2.png"], "mask": ["m.png", None], "label": ["dry", "wet"], "person": ["ann", "bob"]}


@cache
def rasters() -> list[Folder]:
    """Make TIFF files of two bands and of five, which Pillow does not read."""
    import rasterio
    from affine import Affine

    made = []
    for count, compress in ((2, "none"), (5, "deflate")):
        with rasterio.MemoryFile() as memory:
            shape: dict[str, Any] = {"count": count, "height": 16, "width": 12, "dtype": "uint16", "compress": compress}
            with memory.open(driver="GTiff", transform=Affine(10, 0, 5e5, 0, -10, 5e6), crs="EPSG:32633", **shape) as raster:
                raster.write(np.arange(count * 192, dtype=np.uint16).reshape(count, 16, 12))
            made.append({"1.tif": bytes(memory.read())})
    return made


def volumes() -> list[Folder]:
    """Make NIfTI volumes of two slices, and a DICOM file of two frames."""
    import nibabel
    from pydicom.data import get_testdata_file

    image = nibabel.Nifti1Image(np.arange(96, dtype=np.int16).reshape(8, 6, 2), np.eye(4)).to_bytes()
    dicom = Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes()
    return [{"1.nii": image}, {"1.nii.gz": gzip.compress(image, mtime=0)}, {"1.dcm": dicom}]


def clips() -> list[Folder]:
    """Make a clip of three seconds in each of two containers."""
    import av

    made = []
    for name, kind in (("1.mp4", "mp4"), ("1.avi", "avi")):
        file = io.BytesIO()
        with av.open(file, "w", format=kind) as container:
            stream = container.add_stream("mpeg4", rate=1)
            stream.width = stream.height = 16
            for level in (0, 100, 200):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 3), level, np.uint8))))
            container.mux(stream.encode())
        made.append({name: file.getvalue()})
    return made


def saved_dataset() -> Folder:
    """Write images as Hugging Face's save_to_disk does: the Arrow files are damaged most."""
    with TemporaryDirectory() as folder:
        root = write_saved(Path(folder) / "saved", {name: IMAGES[name] for name in ("1.png", "2.png")}, shards=1)
        return {file.name: file.read_bytes() for file in sorted(root.iterdir())}


def arrow_stream(with_mask: bool = True) -> bytes:
    """Write images, classes and masks as an Arrow stream."""
    made = image_table({"1.png": IMAGES["1.png"], "2.png": IMAGES["2.png"]}, [0, 1], ["dry", "wet"])
    made = made.append_column("mask", pa.array([IMAGES["m.png"], None], pa.binary())) if with_mask else made
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=1)
    return sink.getvalue()


@cache
def lance_dataset() -> list[Folder]:
    """Write embeddings as two versions of a Lance dataset with a deletion; either its data or its manifest is damaged most."""
    import lance

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12, dtype=np.float32)), 3)
    rows = pa.table({"image": ["a", "b", None, "d"], "embedding": vectors})
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "e.lance"
        lance.write_dataset(rows, str(folder), max_rows_per_file=3)
        lance.dataset(str(folder)).delete("image = 'b'")
        files = {
            file.relative_to(scratch).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
        }
    first = [min(name for name in files if f"/{part}/" in name) for part in ("data", "_versions", "_deletions")]
    return [{name: files[name], **files} for name in first]


def image_parquet() -> bytes:
    """Write images, classes and masks as Parquet."""
    sink = io.BytesIO()
    pq.write_table(pa.ipc.open_stream(io.BytesIO(arrow_stream())).read_all(), sink, row_group_size=1)
    return sink.getvalue()


def tar_file() -> bytes:
    """Write images with their classes and a mask as a webdataset shard."""
    files = {
        "a/1.png": IMAGES["1.png"],
        "a/1.cls": b"3",
        "a/1.mask.png": IMAGES["m.png"],
        "b.jpg": picture("jpeg"),
        "b.txt": b"wet",
    }
    return tar_bytes(files.items())


def exported() -> dict[str, Folder]:
    """Write labels of two images as COCO, CVAT and Label Studio do, with every kind of shape that is read."""
    foreground = Mark("foreground", "mask", partial(np.eye, 6, 8, dtype=bool))
    drawn = [MarkedImage(name, (8, 6), (foreground,), path=f"/site/{name}") for name in ("1.png", "2.png")]
    in_coco = json.loads(write_coco(drawn, "t"))
    polygon = {"id": 9, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]]}
    packed = {"id": 10, "image_id": 2, "category_id": 1, "segmentation": {"counts": "d01k0", "size": [6, 8]}}
    in_coco["annotations"] = [in_coco["annotations"][0], polygon, packed]
    shapes = '<polygon points="1,1;4,1;4,4" label="foreground"/><box xtl="1" ytl="1" xbr="3" ybr="3" rotation="10"/>'
    in_cvat = write_cvat(drawn, "t").replace("</image>", f"{shapes}</image>", 1)
    studio = json.loads(write_label_studio(drawn, "t"))
    for task in studio:
        task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
    size = {"original_width": 8, "original_height": 6}
    studio[0]["annotations"][0]["result"] += [
        {**size, "value": {"points": [[10, 10], [60, 10], [60, 60]]}},
        {**size, "value": {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 5}},
    ]
    texts = {"coco.json": json.dumps(in_coco), "cvat.xml": in_cvat, "studio.json": json.dumps(studio)}
    return {name: {name: text.encode()} for name, text in texts.items()}


def packed_labels() -> Folder:
    """Pack labels as CVAT does, with an image beside them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("annotations.xml", exported()["cvat.xml"]["cvat.xml"])
        made.writestr("images/1.png", IMAGES["1.png"])
    return {"cvat.zip": buffer.getvalue()}


def box_labels() -> list[Folder]:
    """Write boxes of images as COCO, CVAT and Label Studio do."""
    in_coco = {
        "images": [{"id": 1, "file_name": "1.png", "width": 8, "height": 6}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}],
        "categories": [{"id": 1, "name": "car"}],
    }
    box = '<box label="car" xtl="1" ytl="1" xbr="3" ybr="3"/>'
    in_cvat = f'<annotations><image id="0" name="1.png" width="8" height="6">{box}</image></annotations>'
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["car"]}
    drawn = {"original_width": 8, "original_height": 6, "value": value}
    studio = [{"data": {"image": "1.png"}, "meta": {"image": "1.png"}, "annotations": [{"result": [drawn]}]}]
    return [
        {"coco.json": json.dumps(in_coco).encode()},
        {"cvat.xml": in_cvat.encode()},
        {"studio.json": json.dumps(studio).encode()},
    ]


def class_labels() -> list[Folder]:
    """Write classes of images as CVAT and Label Studio do, and as a table."""
    in_cvat = '<annotations><image id="0" name="1.png"><tag label="dry"/></image></annotations>'
    studio = [{"data": {"image": "1.png"}, "annotations": [{"result": [{"value": {"choices": ["dry"]}}]}]}]
    return [
        {"cvat.xml": in_cvat.encode()},
        {"studio.json": json.dumps(studio).encode()},
        {"labels.csv": b"image,label\n1.png,dry\n2.png,wet\n"},
    ]


@cache
def golden() -> Folder:
    """Return the run folders, profile and checkpoints that an earlier version wrote."""
    with tarfile.open(GOLDEN) as packed:
        members = [member for member in packed if member.isfile()]
        return {member.name.removeprefix("./"): packed.extractfile(member).read() for member in members}  # type: ignore[union-attr] # they are files


def below(folder: str) -> Folder:
    """Return the JSON files and tables of one of those run folders."""
    files = {name.removeprefix(f"{folder}/"): data for name, data in golden().items() if name.startswith(f"{folder}/")}
    return {name: data for name, data in files.items() if name.endswith((".json", ".parquet")) and "select" not in name}


@cache
def state_dicts() -> list[Folder]:
    """Write tensors by name as torch and as safetensors do."""
    import torch
    from safetensors.torch import save

    state, sink = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2), "n": torch.tensor(3)}, io.BytesIO()
    torch.save({"state_dict": state, "epoch": 3}, sink)
    return [{"w.pth": sink.getvalue()}, {"w.safetensors": save(state, {"format": "pt"})}]


def rules() -> list[Folder]:
    """Write rules as YAML and as TOML."""
    text = (START / "check" / "start.yaml").read_bytes()
    toml = b'gate = "inside"\n[performance]\nat_least = 0.6\n[alarm]\nat_least = 0.5\nsince = "2026-01-01"\n'
    return [{"rules.yaml": text}, {"rules.toml": toml}]


def defaults() -> Folder:
    """Write a file of defaults of a project."""
    shared = b'store = "features"\nseed = 3\nbaselines = false\n'
    own = b'[compare]\nlimit = 30\nout = "run"\n[train]\noption = {encoder = "b3"}\nadd = ["a:b"]\n[study]\nworkers = 2\n'
    return {"howfar.toml": shared + own}


def small_archive() -> Folder:
    """Write an archive of two arrays."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "a.zip"
        array_files_and_archives.write(file, {"kind": "note"}, {"x": np.ones((2, 3)), "y": np.zeros(3, np.float32)})
        return {"a.howfar": file.read_bytes()}


def certificate() -> Folder:
    """Write a certificate of two labelled images."""
    from howfar.results import Provenance
    from howfar.results.certificate_result import Certificate, CertifiedSite, SampledImage, Step

    drawn = (SampledImage(1, "a.png", "/data/a.png", 1, 0.5, 0, 0.25, 0.5, True), SampledImage(2, "b.png", "", 0, 0.5, 0, None))
    about = {"dataset": "site", "metric": "mean_f", "words": "mean F", "value": 0.5, "low": 0.25, "high": 0.75, "level": 0.9}
    about |= {"labelled": 1, "n": 2, "anytime": True, "until": "F >= 0.6", "settled": None, "needed": 1, "seed": 0}
    about |= {"threshold": 0.5, "tolerance": 0.0, "proxy": "foreground_confidence", "design": "order"}
    site = CertifiedSite("/data/site", ("b.png", "a.png"), ("ab",) * 2, ("cd",) * 2, (None, 0.25))
    made = Certificate(**about, site=site, sample=drawn, provenance=Provenance.now(), steps=(Step(1, 0.5, 0.25, 0.75),))
    with TemporaryDirectory() as folder:
        made.save(folder)
        return {"certificate.json": (Path(folder) / "certificate.json").read_bytes()}


def bundle() -> Folder:
    """Write the bundle of a study without results."""
    manifest = {"format": 1, "datasets": {"places": {"a": "a"}, "contents": {"a": {"1.png": ["ab", None]}}}, "backbones": {}}
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("bundle.json", json.dumps(manifest))
        packed.writestr("study.toml", STUDY["study.toml"])
        packed.writestr("beside/config.json", "{}")
    return {"b.zip": sink.getvalue()}


WATCHED = {"images": {"at_least": 1}, "alarm": {"at_least": 0.5}}


@cache
def watch() -> list[Folder]:
    """Watch two images, one of which is damaged, and draw the other: its journal, its labels or its log are damaged most."""
    from howfar.integrations.folder_watch import JOURNAL, LABELS, LOG, Watch
    from howfar.results.scores import Score

    score = Score("site", "1.png", 1.0, 0.5, 0.9, 0.4, None, 50.0, 0.6, None, None, None, None, False, "p = 0.6")
    came = {"day": "2026-01-01", "stamp": ["1", "2"], "content": "ab"}
    with TemporaryDirectory() as folder:
        profile = Path(folder) / "roads.howfar"
        profile.write_bytes(golden()[profile.name])
        with Watch(None, profile, WATCHED, folder) as eye:
            eye._note({**came, "path": "1.png", "score": asdict(score)})
            eye._note({**came, "path": "2.png", "reason": "is damaged"})
            eye.look(close=True)
        files = {name: (Path(folder) / name).read_bytes() for name in (JOURNAL, LABELS, LOG, profile.name)}
    return [{name: files[name], **files} for name in (JOURNAL, LABELS, LOG)]


def drawn() -> list[Folder]:
    """Write the files of a drawn sample for labelling tools, each of which is damaged most in its turn."""
    images = [
        MarkedImage(name, (8, 6), (Mark("car", "box", box=(1, 1, 3, 3)),), path=f"/site/{name}") for name in ("1.png", "2.png")
    ]
    files = {
        "chosen.csv": b"rank,name,image\n1,1.png,1.png\n2,2.png,2.png\n",
        "label_studio.json": write_label_studio(images, "t").encode(),
        "cvat.xml": write_cvat(images, "t").encode(),
    }
    return [{name: files[name], **files, **IMAGES} for name in files]


def interfaces() -> list[Folder]:
    """Write the interface of a project of Label Studio twice: ours, and the one that is there."""
    ours = label_studio_interface("segmentation", ["foreground"]).encode()
    return [{"there.xml": ours, "label_studio.xml": ours}, {"label_studio.xml": ours, "there.xml": ours}]


def pair_journal() -> Folder:
    """Write the journal of a matrix that was stopped, beside the pairs of an earlier one."""
    lines = b'{"key": "a", "o_dist_mean": 1.5}\n{"key": "b", "o_dist_mean": 2.5}\n'
    return {"pairs.jsonl": lines, "pairs.parquet": golden()["matrix/pairs.parquet"]}
