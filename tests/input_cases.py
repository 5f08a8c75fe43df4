"""Every kind of input, with what becomes of it: `docs/make_inputs.py` writes docs/reference/inputs.md of these cases."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import datasets
import fsspec
import lance
import nibabel
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import timm
import torch
from PIL import Image
from pydicom.data import get_testdata_file
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder

import howfar
from howfar.backbones import as_backbone, function
from howfar.cli.main import run
from howfar.data import Dataset
from howfar.data.image_and_mask_folders import counted
from howfar.errors import HowfarError

COUNT, SIDE = 6, 32
QUICK: Final = ("--no-baselines", "--bootstrap", "0", "--permutations", "0", "--components", "2", "--json")


@dataclass(frozen=True)
class Case:
    """One kind of input.

    `kind` says what it is, `given` how it is written, and `make` makes it of a folder with the samples. `accepted` is what must
    become of it.
    """

    kind: str
    given: str
    make: Callable[[Path], Any]
    accepted: bool = True


def write_samples(folder: Path) -> Path:
    """Write the files that the cases are of: lossless pictures of noise, with masks, and what holds them."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    for place in (
        "roads/images",
        "roads/masks",
        "plain",
        "classes/dry",
        "classes/wet",
        "base",
        "shards",
        "empty",
        "damaged",
        "scans",
    ):
        (folder / place).mkdir(parents=True)
    for number, picture in enumerate(pixels):
        image, name = Image.fromarray(picture), f"{number}.png"
        for place in ("roads/images", "plain", f"classes/{'dry' if number % 2 else 'wet'}"):
            image.save(folder / place / name)
        Image.fromarray(255 - picture).save(folder / "base" / name)
        Image.fromarray(np.uint8(255) * (picture[:, :, 0] > 128)).save(folder / "roads/masks" / name)
    names = [f"plain/{number}.png" for number in range(COUNT)]
    rows = pd.DataFrame({"image": names, "label": ["dry", "wet"] * 3, "camera": ["left", "right"] * 3})
    rows.to_csv(folder / "list.csv", index=False)
    rows.to_parquet(folder / "list.parquet")
    rows.rename(columns={"image": "path"}).to_csv(folder / "other.csv", index=False)
    (folder / "list.txt").write_text("\n".join(names))
    (folder / "coco.json").write_text("{}")
    (folder / "pictures.zip").write_bytes(b"PK")
    (folder / "damaged" / "1.png").write_bytes(b"no picture")
    _stacks(folder, pixels)
    with tarfile.open(folder / "shards" / "s-000.tar", "w") as shard:
        for number in range(COUNT):
            shard.add(folder / "plain" / f"{number}.png", f"{number}.png")
    (folder / "packed.tar.gz").write_bytes(b"\x1f\x8b")
    _containers(folder)
    embeddings = rng.normal(size=(COUNT, 4)).astype(np.float32)
    np.save(folder / "features.npy", embeddings)
    np.save(folder / "base.npy", embeddings + 1)
    pd.DataFrame({"image": names, "embedding": embeddings.tolist()}).to_parquet(folder / "features.parquet")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), 4)
    lance.write_dataset(pa.table({"image": names, "vector": vectors}), str(folder / "features.lance"))
    fsspec.filesystem("memory").put(f"{folder / 'plain'}/", "/inputs/plain/", recursive=True)
    return folder


def _stacks(folder: Path, pixels: np.ndarray[Any, Any]) -> None:
    """Write a NIfTI volume, DICOM files and a clip, of 8 bits."""
    nibabel.Nifti1Image(np.moveaxis(pixels[..., 0], 0, -1), np.eye(4)).to_filename(folder / "volume.nii")
    scan = Path(get_testdata_file("SC_rgb_rle.dcm")).read_bytes()
    for number in range(COUNT):
        (folder / "scans" / f"{number}.dcm").write_bytes(scan)
    with av.open(str(folder / "film.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=1)
        stream.width = stream.height = SIDE
        for picture in pixels:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        film.mux(stream.encode())


def _containers(folder: Path) -> None:
    cells = [{"bytes": (folder / "plain" / f"{number}.png").read_bytes(), "path": f"{number}.png"} for number in range(COUNT)]
    table = pa.table({"image": cells})
    pd.DataFrame({"image": cells}).to_parquet(folder / "bytes.parquet")
    saved = folder / "saved" / "train"
    saved.mkdir(parents=True)
    with pa.OSFile(str(saved / "data.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    (folder / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))


def pictures(folder: Path) -> np.ndarray[Any, Any]:
    """The pictures as an array (n, h, w, 3)."""
    return np.stack([np.asarray(Image.open(folder / "plain" / f"{number}.png")) for number in range(COUNT)])


def opened(folder: Path) -> list[Image.Image]:
    """The pictures as Pillow images."""
    return [Image.fromarray(picture) for picture in pictures(folder)]


def tensors(folder: Path) -> torch.Tensor:
    """The pictures as torchvision's ToTensor gives them: (n, 3, h, w), 0 to 1."""
    return torch.from_numpy(pictures(folder)).permute(0, 3, 1, 2) / 255


def hub(folder: Path) -> datasets.Dataset:
    """The pictures as a Hugging Face dataset in memory."""
    columns = {"image": [str(folder / "plain" / f"{number}.png") for number in range(COUNT)], "label": [0, 1] * 3}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dry", "wet"])})
    return datasets.Dataset.from_dict(columns, features=features)


class Segmented:
    """A dataset of a user's own: (image, mask) by number."""

    def __init__(self, folder: Path, random: bool = False) -> None:
        self._pictures, self._random = pictures(folder), np.random.default_rng(0) if random else None

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        picture = self._pictures[number]
        if self._random is not None and self._random.random() < 2:
            picture = np.roll(picture, int(self._random.integers(1, 20)), axis=0)
        return picture, picture[:, :, 0] > 128


class Stream(IterableDataset[Any]):
    """An iterable dataset."""

    def __iter__(self) -> Iterator[Any]:
        return iter([])


def _frame(folder: Path, column: str = "image") -> pd.DataFrame:
    paths = [str(folder / "plain" / f"{number}.png") for number in range(COUNT)]
    return pd.DataFrame({column: paths, "label": ["dry", "wet"] * 3, "camera": ["left", "right"] * 3})


PATHS: Final = (
    Case("a folder of images", "plain", lambda at: at / "plain"),
    Case("a folder with `images/`, and `masks/`", "roads", lambda at: at / "roads"),
    Case("the same under another name", "site=roads", lambda at: f"site={at / 'roads'}"),
    Case("a table of paths (CSV)", "list.csv", lambda at: at / "list.csv"),
    Case("a table of paths (Parquet)", "list.parquet", lambda at: at / "list.parquet"),
    Case("a table without a column `image`", "other.csv", lambda at: at / "other.csv", False),
    Case("a tar shard", "s-000.tar", lambda at: at / "shards" / "s-000.tar"),
    Case("a pattern of shards", "shards/s-{000..000}.tar", lambda at: f"{at / 'shards'}/s-{{000..000}}.tar"),
    Case("a folder of shards alone", "shards", lambda at: at / "shards"),
    Case("a compressed tar", "packed.tar.gz", lambda at: at / "packed.tar.gz", False),
    Case("Parquet with the images' bytes", "bytes.parquet", lambda at: at / "bytes.parquet"),
    Case("what Hugging Face's `save_to_disk` wrote", "saved/train", lambda at: at / "saved" / "train"),
    Case("the same of several splits", "saved", lambda at: at / "saved", False),
    Case("the URL of any of these", "memory://inputs/plain", lambda at: "memory://inputs/plain"),
    Case("embeddings (`.npy`)", "features.npy", lambda at: at / "features.npy"),
    Case("embeddings (Parquet, column `embedding`)", "features.parquet", lambda at: at / "features.parquet"),
    Case("embeddings (Lance, column `embedding` or `vector`)", "features.lance", lambda at: at / "features.lance"),
    Case("image files, as a shell's pattern gives them", "plain/*.png", lambda at: sorted((at / "plain").glob("*.png"))),
    Case("a text file of paths", "list.txt", lambda at: at / "list.txt", False),
    Case("a JSON file", "coco.json", lambda at: at / "coco.json", False),
    Case("a zip archive", "pictures.zip", lambda at: at / "pictures.zip", False),
    Case("a clip, by `--frames 1/s`", "film.mp4", lambda at: at / "film.mp4", False),
    Case("an empty folder", "empty", lambda at: at / "empty", False),
    Case("a folder of damaged images", "damaged", lambda at: at / "damaged", False),
    Case("a folder of DICOM files", "scans", lambda at: at / "scans"),
    Case("a NIfTI volume", "volume.nii", lambda at: at / "volume.nii"),
    Case("a path where nothing is", "nowhere", lambda at: at / "nowhere", False),
    Case("an empty text", '""', lambda at: "", False),
)
"""What both the command line and Python take."""

OBJECTS: Final = (
    Case("a `howfar.Dataset`", 'howfar.Dataset.from_folder("roads")', lambda at: Dataset.from_folder(at / "roads")),
    Case("a list of paths", 'sorted(Path("plain").iterdir())', lambda at: sorted((at / "plain").iterdir())),
    Case("one image file", '"plain/0.png"', lambda at: at / "plain" / "0.png", False),
    Case("a list of Pillow images", "[Image.open(path), …]", opened),
    Case("a list of arrays (h, w, 3)", "[array, …]", lambda at: list(pictures(at))),
    Case(
        "a list of the bytes of files",
        "[path.read_bytes(), …]",
        lambda at: [path.read_bytes() for path in sorted((at / "plain").iterdir())],
    ),
    Case("a uint8 array (n, h, w, 3)", "array", pictures),
    Case("a uint8 array (n, h, w)", "array", lambda at: pictures(at)[..., 0]),
    Case("a tensor (n, 3, h, w) of 0-1", "tensor", tensors),
    Case("a pandas data frame of paths", "frame", _frame),
    Case("a pandas data frame of pictures", "frame", lambda at: pd.DataFrame({"image": list(pictures(at))})),
    Case("a polars data frame", "frame", lambda at: pl.from_pandas(_frame(at))),
    Case("a column of paths", 'frame["image"]', lambda at: _frame(at)["image"]),
    Case("torchvision's `ImageFolder`", 'ImageFolder("classes")', lambda at: ImageFolder(at / "classes")),
    Case("a `Subset` of one", "Subset(folder, [0, 2, 4])", lambda at: Subset(ImageFolder(at / "classes"), [0, 2, 4])),
    Case(
        "a torch dataset of (image, class)",
        "TensorDataset(images, classes)",
        lambda at: TensorDataset(tensors(at), torch.arange(COUNT)),
    ),
    Case("a dataset of your own of (image, mask)", "Roads()", Segmented),
    Case("a loaded Hugging Face dataset", 'load_dataset("…", split="train")', hub),
    Case("an array (n, q) of numbers: embeddings", "array", lambda at: np.load(at / "features.npy")),
    Case("a data frame of numbers alone: embeddings", "frame", lambda at: pd.DataFrame(np.load(at / "features.npy"))),
    Case("a data frame with a column `embedding`", "frame", lambda at: pd.read_parquet(at / "features.parquet")),
    Case("one Pillow image", "image", lambda at: opened(at)[0], False),
    Case("one array (h, w, 3)", "array", lambda at: pictures(at)[0], False),
    Case("an empty list", "[]", lambda at: [], False),
    Case("a list with something else in it", '["0.png", 3]', lambda at: [at / "plain" / "0.png", 3], False),
    Case("a list of folders, where one dataset is meant", '["roads", "plain"]', lambda at: [at / "roads", at / "plain"], False),
    Case("an array of five axes", "array", lambda at: np.zeros((2, 2, 8, 8, 3)), False),
    Case("normalised tensors", "(tensor - mean) / std", lambda at: (tensors(at) - 0.45) / 0.22, False),
    Case(
        "a torch dataset that normalises",
        "TensorDataset(normalised)",
        lambda at: TensorDataset((tensors(at) - 0.45) / 0.22),
        False,
    ),
    Case("floating values of 0-255", "array.astype(float)", lambda at: pictures(at).astype(np.float32), False),
    Case("a dataset that augments at random", "Roads(train=True)", lambda at: Segmented(at, random=True), False),
    Case("a torch dataset of no images", "TensorDataset(classes)", lambda at: TensorDataset(torch.arange(COUNT)), False),
    Case("a `DataLoader`", "DataLoader(dataset)", lambda at: DataLoader(TensorDataset(tensors(at))), False),
    Case("an iterable dataset", "IterableDataset", lambda at: Stream(), False),
    Case("a generator", 'Path("plain").glob("*")', lambda at: (path for path in (at / "plain").iterdir()), False),
    Case("a data frame without a column `image`", "frame", lambda at: _frame(at, "path"), False),
    Case(
        "a Hugging Face dataset of several splits",
        'load_dataset("…")',
        lambda at: datasets.DatasetDict(train=hub(at), test=hub(at)),
        False,
    ),
    Case("a streamed Hugging Face dataset", "load_dataset(…, streaming=True)", lambda at: hub(at).to_iterable_dataset(), False),
    Case("a Hugging Face dataset without images", "dataset", lambda at: hub(at).select_columns(["label"]), False),
    Case("a mapping of one name: the dataset's", '{"site": array}', lambda at: {"site": pictures(at)}),
    Case("a mapping of several", '{"a": "roads", "b": "plain"}', lambda at: {"a": at / "roads", "b": at / "plain"}, False),
    Case("anything else", "3", lambda at: 3, False),
)
"""What Python takes besides."""


class Heads(nn.Module):
    """A network of several named outputs."""

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": pictures, "aux": pictures}


def network() -> nn.Module:
    """A small network of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def _tiny_timm() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        made: nn.Module = timm.create_model("resnet10t", pretrained=False, num_classes=0)
    return made


BACKBONES: Final = (
    Case("a registered name", '"colour_moments"', lambda at: "colour_moments"),
    Case("a loaded backbone", 'howfar.load_backbone("pixels")', lambda at: howfar.load_backbone("pixels")),
    Case("a torch module", "net", lambda at: network()),
    Case("a module of timm's", 'timm.create_model("resnet10t", num_classes=0)', lambda at: _tiny_timm()),
    Case("a function of a batch", "lambda batch: batch.mean(axis=(1, 2))", lambda at: lambda batch: batch.mean(axis=(1, 2))),
    Case(
        "a function with a name",
        'howfar.backbones.function(f, "my-net 3")',
        lambda at: function(lambda batch: batch.mean(axis=(1, 2)), "my-net 3"),
    ),
    Case("a name that is not registered", '"colour_moment"', lambda at: "colour_moment", False),
    Case("a class in place of an instance", "nn.Sequential", lambda at: nn.Sequential, False),
    Case("a module whose output is a mapping", "net", lambda at: Heads(), False),
    Case("a function that returns no features", "lambda batch: 3", lambda at: lambda batch: 3, False),
    Case("a function that returns NaN", "f", lambda at: lambda batch: np.full((len(batch), 2), np.nan), False),
    Case("a function that fails", "f", lambda at: lambda batch: 1 / 0, False),
    Case("any other object", "3", lambda at: 3, False),
)
"""What Python takes for the argument `backbone`."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input: that it was accepted, and in words what it is; or the line that refused it."""

    accepted: bool
    text: str


def by_command(case: Case, at: Path) -> Outcome:
    """Compare with an input on the command line, in this process."""
    made = case.make(at)
    arguments = [str(argument) for argument in (made if isinstance(made, list) else [made])]
    primary = at / ("base.npy" if "embeddings" in case.kind else "base")
    backbone = () if "embeddings" in case.kind else ("--backbone", "colour_moments")
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        code = run(["compare", str(primary), *arguments, *backbone, *QUICK, "--store", str(at / "store")])
    if code:
        return Outcome(False, _line(error.getvalue().strip().splitlines()[-1].removeprefix("howfar: "), at))
    return Outcome(True, _counted(json.loads(out.getvalue())["datasets"][0]["n"], case))


def in_python(case: Case, at: Path) -> Outcome:
    """Compare with an input in Python."""
    ready = "embedding" in case.kind
    primary = at / ("base.npy" if ready else "base")
    try:
        argument = case.make(at)
        found = howfar.compare(
            argument, {"base": primary}, **({} if ready else {"backbone": "colour_moments"}), baselines=False, bootstrap=0,
            permutations=0, components=2, store=at / "store", progress=False,
        )  # fmt: skip
        if ready:
            return Outcome(True, _counted(found.primary.n, case))
        return Outcome(True, _described(howfar.data.parse(argument), found.primary.n))
    except HowfarError as error:
        return Outcome(False, _line(str(error), at))


def as_a_backbone(case: Case, at: Path) -> Outcome:
    """Compare by a backbone in Python."""
    try:
        backbone = as_backbone(case.make(at))
        found = howfar.compare(
            at / "plain", at / "base", backbone, baselines=False, bootstrap=0, permutations=0, components=2,
            store=at / "store", progress=False,
        )  # fmt: skip
    except HowfarError as error:
        return Outcome(False, _line(str(error), at))
    stored = any("not stored" in note for note in found.notes)
    return Outcome(True, f"q = {sum(backbone.layers):,}{'; not stored' if stored else ''}")


def _counted(count: int, case: Case) -> str:
    return counted(count, "embedding" if "embedding" in case.kind else "image")


def _described(dataset: Any, count: int) -> str:
    items = dataset.items
    parts = [counted(count, "image")]
    for what, number in (
        ("masks", sum(item.mask is not None for item in items)),
        ("labels", sum(item.label is not None for item in items)),
    ):
        parts += [f"{number} {what}"] if number else []
    further = dict.fromkeys(column for item in items for column, _ in item.further)
    return ", ".join([*parts, *(f"column {column}" for column in further)])


def _line(text: str, at: Path) -> str:
    return " ".join(text.replace(str(at), "…").split())
