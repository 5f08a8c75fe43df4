"""Bands and ranges that the user declares are read alike from every dataset; what is not read is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.data import Dataset, decode, parse, read_bytes
from howfar.data.bands_and_bit_depth import file_values, left_out, to_levels
from howfar.data.image_decoding import picture, shown
from howfar.errors import ImageError, InputError
from howfar.image_reading_options import PixelReading, by_reading, file_and_reading, reading_pixels

QUICK: dict[str, Any] = {"progress": False, "baselines": False, "rivals": False, "bootstrap": 0, "permutations": 0}


def write_bands(file: Path, values: NDArray[Any], **profile: Any) -> Path:
    """Write values (h, w, c) as a TIFF by rasterio."""
    rasterio = pytest.importorskip("rasterio")
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = values.shape
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=height, width=width, count=count, dtype=values.dtype, transform=ten_metres(), **profile
        ) as to:
            to.write(np.moveaxis(values, -1, 0))
        file.write_bytes(memory.read())
    return file


def ten_metres() -> Any:
    """Return a transform: rasterio warns of a raster without one."""
    from affine import Affine

    return Affine(10, 0, 500_000, 0, -10, 4_000_000)


def five(seed: int, top: int = 3000) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, top, (24, 20, 5), dtype=np.uint16)


def band_means(batch: NDArray[np.uint8]) -> NDArray[Any]:
    means: NDArray[Any] = batch.reshape(len(batch), -1, 5).mean(axis=1)
    return means


def site(folder: Path, count: int, top: int = 3000, seed: int = 0) -> Path:
    for number in range(count):
        write_bands(folder / f"{number}.tif", five(seed + number, top))
    return folder


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32])
def test_a_range_maps_every_type_alike(kind: Any) -> None:
    values = np.array([-40, 0, 1, 30, 60, 99, 120]).astype(np.int64)
    values = (values if np.dtype(kind).kind != "u" else np.maximum(values, 0)).astype(kind).reshape(1, -1, 1)
    levels = to_levels(values, PixelReading(range="0:100"))
    assert levels.dtype == np.uint8
    assert levels.reshape(-1).tolist() == np.rint(np.clip(values.astype(float), 0, 100) * 2.55).astype(int).reshape(-1).tolist()


def test_a_five_band_tiff_is_read_as_declared(tmp_path: Path) -> None:
    values = five(0)
    file = write_bands(tmp_path / "1.tif", values)
    with pytest.raises(ImageError, match="--bands 3,2,1"):
        decode(read_bytes(file))
    for bands in ((4, 3, 2), (5, 1), (1, 2, 3, 4, 5)):
        data = read_bytes(by_reading(file, PixelReading(bands, "0:3000")))
        wanted = np.rint(values[..., [band - 1 for band in bands]] * (255 / 3000))
        np.testing.assert_array_equal(np.asarray(picture(data)), wanted)
    assert np.asarray(shown(data)).shape == (24, 20, 3)
    with pytest.raises(ImageError, match="5 bands are no RGB picture"):
        decode(data)
    with pytest.raises(ImageError, match="it has 5 bands, and --bands asks for band 9"):
        read_bytes(by_reading(file, PixelReading((9,))))


def test_pages_of_a_stack_are_bands_that_count_on(tmp_path: Path) -> None:
    pages = [Image.fromarray(five(seed)[..., 0]) for seed in range(4)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    data = read_bytes(by_reading(tmp_path / "stack.tif", PixelReading((4, 1, 2), "dtype")))
    wanted = np.stack([(np.asarray(pages[page]).astype(np.uint32) + 128) // 257 for page in (3, 0, 1)], axis=-1)
    np.testing.assert_array_equal(np.asarray(decode(data).image), wanted)


def test_bits_that_pillow_drops_are_read(tmp_path: Path) -> None:
    values = five(0, 256)[..., :3]  # all in the lower byte
    file = write_bands(tmp_path / "1.tif", values)
    np.testing.assert_array_equal(np.asarray(decode(read_bytes(by_reading(file, PixelReading((), "0:255")))).image), values)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"bands": "4,x"}, "bands must be different numbers"),
        ({"bands": "0"}, "counted from 1"),
        ({"bands": (2, 2)}, "different"),
        ({"range": "9:3"}, "range must be a lowest and a higher value"),
        ({"range": "all"}, "range must be"),
        ({"range": "-1e308:1e308"}, "range must be"),
        ({"window": 64, "overlap": -1}, "overlap must be .*write 64"),
    ],
)
def test_wrong_options_give_one_line(tmp_path: Path, options: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        howfar.embed(tmp_path, "pixels", **options)


def test_a_location_says_how_it_is_read() -> None:
    reading = PixelReading((4, 3, 2), "0:3000")
    for place in (Path("/a/1.tif"), "s3://bucket/1.tif", "python://token/3"):
        marked = by_reading(place, reading)
        assert str(marked) == f"{place}/@bands=4,3,2;range=0:3000"
        assert file_and_reading(marked) == (place, reading)
        assert by_reading(marked, PixelReading((1,))) == marked
    assert file_and_reading(Path("/a/@me")) == (Path("/a/@me"), PixelReading())


def test_a_range_is_learnt_from_the_first_dataset_and_applied_to_all(tmp_path: Path) -> None:
    p, s = site(tmp_path / "p", 6), site(tmp_path / "s", 5, top=9000, seed=50)
    result = howfar.compare(p, s, "colour_moments", store=tmp_path / "store", bands="4,3,2", range="auto", **QUICK)
    reading = result.backbone.identity["reading"]
    low, high = map(float, reading["range"].split(":"))
    assert (low < 60, 2940 < high <= 3000, reading["bands"]) == (True, True, [4, 3, 2])
    assert all(f"range={reading['range']}" in path for path in result.images["path"])
    assert any("the same of every dataset" in note for note in result.notes)
    again = howfar.compare(p, s, "colour_moments", store=tmp_path / "store", bands=[4, 3, 2], range=reading["range"], **QUICK)
    assert again.datasets[0].o_dist == result.datasets[0].o_dist
    assert json.loads(json.dumps(result.to_dict()))["backbone"]["identity"]["reading"] == reading


def test_pixels_without_data_teach_no_range_and_an_image_of_them_alone_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        values = rng.random((24, 20, 3)).astype(np.float32)
        values[:10] = -9999
        write_bands(tmp_path / "p" / f"{number}.tif", values, nodata=-9999)
    for number, nothing in enumerate((-9999, np.nan)):
        write_bands(tmp_path / "p" / f"none{number}.tif", np.full((24, 20, 3), nothing, np.float32), nodata=-9999)
    found = howfar.embed(
        tmp_path / "p", "colour_moments", store=tmp_path / "store", bands="1,2,3", range="auto", progress=False
    )
    low, high = map(float, found.identity["reading"]["range"].split(":"))
    assert (0 < low < 0.02, 0.98 < high < 1) == (True, True)
    assert sorted(each.reason for each in found.skipped) == ["no pixel of it holds a number", "no pixel of it holds data"]


@pytest.mark.parametrize("backbone", ["pixels", "colour_moments", "timm:resnet18", "module", "function"])
def test_more_than_three_bands_reach_backbones_that_take_them(tmp_path: Path, backbone: str) -> None:
    p, options = site(tmp_path / "p", 3), dict[str, Any]()
    chosen: Any = backbone
    if backbone == "module":
        from torch import nn

        chosen = nn.Sequential(nn.Conv2d(5, 4, 3, stride=2), nn.AdaptiveAvgPool2d(1))
        options["size"] = 32
    if backbone == "function":
        chosen = band_means
    options |= {"pretrained": False} if backbone.startswith("timm") else {}
    reading = {"bands": "1,2,3,4,5", "range": "0:3000"}
    features = howfar.embed(p, chosen, tmp_path / "store", progress=False, **reading, **options)
    # Another fifth band gives other features.
    values = five(0)
    values[..., 4] = 0
    write_bands(p / "0.tif", values)
    other = howfar.embed(p, chosen, tmp_path / "store", progress=False, **reading, **options)
    rows = [each.rows.rows(0, 3) for each in (features, other)]
    assert not np.array_equal(rows[0][0], rows[1][0])
    np.testing.assert_allclose(rows[0][1:], rows[1][1:], atol=1e-5)


def test_a_backbone_of_rgb_refuses_more_bands_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="efficientnet_lite0 takes 3 bands, got 5: name three by --bands 3,2,1"):
        howfar.embed(site(tmp_path / "p", 2), bands=(1, 2, 3, 4, 5), progress=False)
    network = howfar.load_backbone("pixels")
    with pytest.raises(InputError, match="2 bands, and pixels takes 3: choose 3, as --bands 3,2,1"):
        howfar.embed(tmp_path / "p", network, tmp_path / "store", bands=(1, 2), progress=False)


def test_a_profile_reads_new_images_as_its_own(tmp_path: Path) -> None:
    p, s = site(tmp_path / "p", 20), site(tmp_path / "s", 3, top=9000, seed=50)
    reading = {"bands": "1,2,3,4,5", "range": "auto"}
    howfar.profile(p, "colour_moments", store=tmp_path / "store", progress=False, **reading).save(tmp_path / "p.howfar")
    profile = howfar.Profile.load(tmp_path / "p.howfar")
    scores = profile.score([s, p / "0.tif"])
    assert [image.flag for image in scores.images] == [True, True, True, False]
    with pytest.raises(InputError, match="must be those of p's profile"):
        profile.score(s, bands="3,2,1")


def test_what_is_left_out_is_told_once_for_a_dataset(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8)
    for number in range(3):
        write_bands(tmp_path / "nir" / f"{number}.tif", rgb, photometric="RGB", alpha="UNSPECIFIED")
        Image.fromarray(rgb, "RGBA").save(tmp_path / f"{number}.png")
    opaque = Image.fromarray(rgb[..., :3]).convert("RGBA")
    opaque.save(tmp_path / "opaque.png")
    pages = [Image.fromarray(rgb[..., 0])] * 3
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    notes = list(howfar.embed(tmp_path / "nir", "pixels", tmp_path / "store", progress=False).notes)
    assert notes == ["nir: band 4 is left out, in 3 of 3 images looked at: --bands chooses what is read"]
    (frames,) = left_out("d", [tmp_path / "stack.tif"])
    assert "the first of 3 frames or pages is read alone, in 1 of 1 images" in frames
    (alpha,) = left_out("d", [tmp_path / "0.png", tmp_path / "opaque.png"])
    assert "transparent pixels are laid on white, in 1 of 2 images" in alpha
    with reading_pixels({"bands": "1,2,3"}):
        chosen = parse(tmp_path / "nir")
    assert isinstance(chosen, Dataset)
    assert not list(left_out("nir", [item.path for item in chosen.items]))


@pytest.mark.parametrize(
    ("count", "kind", "interleave", "bands"),
    [
        (8, np.uint16, "pixel", (8, 3, 2)),
        (4, np.uint16, "band", (4,)),
        (5, np.uint8, "band", (4, 3, 2)),
        (2, np.uint8, "band", (2,)),
    ],
)
def test_sound_files_that_pillow_cannot_read_are_read_by_gdal(
    count: int, kind: Any, interleave: str, bands: tuple[int, ...], tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 200, (24, 20, count)).astype(kind)
    file = write_bands(tmp_path / "1.tif", values, interleave=interleave)
    read = file_values(file, PixelReading(bands, "0:3000"))
    np.testing.assert_array_equal(read, values[..., [band - 1 for band in bands]])
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ImageError):
        file_values(file, PixelReading(bands, "0:3000"))
