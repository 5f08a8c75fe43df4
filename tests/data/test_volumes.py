"""Slices of NIfTI volumes and DICOM files are images in their own units; a patient's are a group, and no tag is written."""

import gzip
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.data import Dataset, decode, parse, read_bytes
from howfar.data.bands_and_bit_depth import file_values
from howfar.data.image_decoding import _PILLOW
from howfar.errors import ImageError, InputError
from howfar.image_reading_options import PixelReading, file_and_reading, reading_pixels
from sites_with_maps import assess_masks
from undrawn import no_figures

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
TEST_FILES = Path(nibabel.__file__).parent / "tests" / "data"
QUICK: dict[str, Any] = {"progress": False, "baselines": False, "rivals": False, "bootstrap": 0, "permutations": 0}
LAS = np.diag([-2.0, 2.0, 3.0, 1.0])
SECRET = "LEAK"


def slices(place: Path, **reading: Any) -> Dataset:
    with reading_pixels(reading or {"range": "auto"}):
        dataset = parse(place)
    assert isinstance(dataset, Dataset)
    return dataset


def pixels(item: Any) -> NDArray[np.uint8]:
    return np.asarray(decode(read_bytes(item.path)).image)[..., 0]


def volume(file: Path, seed: int = 0, shift: int = 0, affine: NDArray[Any] = LAS) -> NDArray[np.int16]:
    """Write a NIfTI volume of 24 × 20 voxels in 6 slices, the first of them empty, and return its voxels."""
    voxels = np.random.default_rng(seed).integers(0, 400, (24, 20, 6)).astype(np.int16) + np.int16(shift)
    voxels[..., 0] = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, affine).to_filename(file)
    return voxels


def dicom(file: Path, patient: str, seed: int = 0, **tags: Any) -> Any:
    """Write a DICOM file with pixels of its own, as pydicom's small CT, and return its tags."""
    made = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    made.PatientID = patient
    values = np.random.default_rng(seed).integers(0, 2000, (24, 20)).astype(np.int16)
    made.Rows, made.Columns, made.PixelData = 24, 20, values.tobytes()
    for name, value in tags.items():
        setattr(made, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(file)
    return made


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_slices_of_a_volume_are_turned_as_shown_and_keep_their_units(tmp_path: Path, ending: str) -> None:
    voxels = volume(tmp_path / f"head.v1{ending}")
    dataset = slices(tmp_path / f"head.v1{ending}", range="-100:400")
    assert (dataset.name, dataset.items[2].name, set(dataset.groups)) == ("head.v1", "head.v1/z3", {f"head.v1{ending}"[:7]})
    assert dict(dataset.items[2].further) == {"spacing": "2", "slice_spacing": "3"}
    # The first axis leads to the left, as columns do; the second to the front, and rows lead to the back.
    wanted = np.rint((voxels[:, ::-1, 3].T + 100.0) * (255 / 500))
    np.testing.assert_array_equal(pixels(dataset.items[2]), wanted)
    assert [fault.reason for fault in dataset.skipped] == ["1 of 6 slices are left out: one value in all pixels"]


def test_one_anatomy_stored_in_any_order_gives_the_same_slices(tmp_path: Path) -> None:
    voxels = volume(tmp_path / "las.nii")
    nibabel.Nifti1Image(voxels[::-1], np.diag([2.0, 2, 3, 1])).to_filename(tmp_path / "ras.nii")
    swapped = np.array([[0, -2.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1.0]])
    nibabel.Nifti1Image(voxels.swapaxes(0, 1), swapped).to_filename(tmp_path / "als.nii")
    scaled = nibabel.Nifti1Image(voxels, LAS)
    scaled.header.set_slope_inter(0.25, 0)
    scaled.to_filename(tmp_path / "scaled.nii")
    first, *others = (
        file_values(*file_and_reading(slices(tmp_path / name, range="0:400").items[3].path))
        for name in ("las.nii", "ras.nii", "als.nii", "scaled.nii")
    )
    for other, factor in zip(others, (1, 1, 4), strict=True):
        np.testing.assert_array_equal(first, other * factor)


def test_values_without_a_range_and_masks_that_do_not_fit_are_refused_in_a_line(tmp_path: Path) -> None:
    volume(tmp_path / "p" / "images" / "a.nii.gz")
    with pytest.raises(InputError, match=r"int16 values from \d to 39\d: say which become 0 to 255, as --range 0:3000 or auto"):
        howfar.embed(tmp_path / "p", "colour_moments", store=tmp_path / "store", progress=False)
    volume(tmp_path / "p" / "masks" / "a.nii", affine=np.diag([1.0, 1, 1, 1]))
    with pytest.raises(InputError, match=r"its mask has another shape or place in space \(affine\)"):
        slices(tmp_path / "p")


@pytest.mark.usefixtures("without_figures")
def test_a_site_of_volumes_with_masks_is_assessed_by_one_command(tmp_path: Path) -> None:
    for number, name in enumerate(("p", "a", "b")):
        for part in range(4):
            voxels = volume(tmp_path / name / "images" / f"{part}.nii.gz", 10 * number + part, shift=20 * number)
            mask = np.where(voxels > 300, 255, 0).astype(np.uint8)
            (tmp_path / name / "masks").mkdir(exist_ok=True)
            nibabel.Nifti1Image(mask, LAS).to_filename(tmp_path / name / "masks" / f"{part}.nii")
    answers = assess_masks(tmp_path, slices, range="auto")
    assert answers.sites[0].answer.startswith("a: F per slice 1.00 measured on 20 of 20 slices")
    images = pd.read_parquet(tmp_path / "run" / "images.parquet")
    assert images[images["dataset"] == "a"]["group"].nunique() == 4
    assert (images["dataset"] == "a").sum() == 20  # without the empty slice of each volume


def test_files_that_nibabel_and_pydicom_ship_are_compared(tmp_path: Path) -> None:
    for file in ("functional.nii", "example4d.nii.gz", "row_major.dconn.nii"):
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / file).write_bytes((TEST_FILES / file).read_bytes())
    (tmp_path / "p").mkdir()
    for file in (
        "CT_small.dcm",
        "MR_small_RLE.dcm",
        "SC_rgb_rle_2frame.dcm",
        "examples_palette.dcm",
        "rtplan.dcm",
        "no_meta.dcm",
    ):
        (tmp_path / "p" / file).write_bytes(Path(pydicom.data.get_testdata_file(file)).read_bytes())
    for file in ("JPEG-lossy.dcm", "MR_truncated.dcm", "JPEGLSNearLossless_16.dcm"):
        (tmp_path / "p" / file).write_bytes(Path(pydicom.data.get_testdata_file(file)).read_bytes())
    result = howfar.compare(
        tmp_path / "p", tmp_path / "s", "colour_moments", store=tmp_path / "store", range="-1000:3000", **QUICK
    )
    assert (result.primary.n, result.datasets[0].n) == (5, 108)
    reasons = {Path(fault.path.partition("/@")[0]).name: fault.reason for fault in result.skipped}
    assert {name: reason for name, reason in reasons.items() if name != "JPEGLSNearLossless_16.dcm"} == {
        "row_major.dconn.nii": "a NIfTI file that holds no volume of slices",
        "rtplan.dcm": "a DICOM file without a picture, such as a report or a plan",
        "no_meta.dcm": "no DICOM file: it lacks the letters DICM after 128 bytes",
        "MR_truncated.dcm": "damaged DICOM file (ValueError)",
        "JPEG-lossy.dcm": "damaged, or a form of JPEG Extended (Process 2 and 4) that needs another decoder: "
        "pip install python-gdcm",
    }


def test_a_ct_is_read_in_hounsfield_units_and_the_dark_is_dark(tmp_path: Path) -> None:
    tags = dicom(tmp_path / "1.dcm", "a")
    wanted = tags.pixel_array + int(tags.RescaleIntercept)
    place = slices(tmp_path / "1.dcm", range="0:100").items[0].path
    np.testing.assert_array_equal(file_values(*file_and_reading(place))[..., 0], wanted)
    dicom(tmp_path / "2.dcm", "a", PhotometricInterpretation="MONOCHROME1", PixelRepresentation=0, BitsStored=12)
    place = slices(tmp_path / "2.dcm", range="0:100").items[0].path
    inverse = 4095 - tags.pixel_array + int(tags.RescaleIntercept)
    np.testing.assert_array_equal(file_values(*file_and_reading(place))[..., 0], inverse)
    with pytest.raises(ImageError, match="no frame 7"):
        file_values(tmp_path / "1.dcm", PixelReading(at="7"))


def outputs(*places: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the content of every file below folders, unpacked."""
    for file in (file for place in places for file in place.rglob("*") if file.is_file()):
        yield file, file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                yield from ((file, archive.read(name)) for name in archive.namelist())
        if file.suffix == ".parquet":
            yield file, pd.read_parquet(file).to_csv().encode()


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore:.*take them out to label them")
def test_no_text_of_a_tag_reaches_a_file_of_any_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT", "DA", "DT", "TM"}
    structure = ("Photometric", "PixelSpacing", "Overlay", "SOPInstanceUID", "SOPClassUID", "SpecificCharacterSet")
    known = pydicom.datadict.DicomDictionary
    filled = {
        name: SECRET
        for tag, (kind, _, _, _, name) in known.items()
        if kind in texts and name and 0x0008 <= tag >> 16 < 0x5000 and not name.startswith(structure)
    }
    assert {"PatientName", "PatientID", "InstitutionName", "StudyInstanceUID", "PatientBirthDate", "Modality"} <= set(filled)
    with pydicom.config.disable_value_validation():
        tags = dicom(tmp_path / "filled.dcm", SECRET, **filled)
        for number in range(14):
            site, stem = ("p", "s")[number % 2], f"{number:02}"
            tags.PatientID = f"{SECRET}{number // 4}"
            tags.PixelData = np.random.default_rng(number).integers(0, 2000, (24, 20)).astype(np.int16).tobytes()
            (tmp_path / site / "images").mkdir(parents=True, exist_ok=True)
            tags.save_as(tmp_path / site / "images" / f"{stem}.dcm")
            mask = Image.fromarray((np.arange(480).reshape(24, 20) % 3 == 0).astype(np.uint8) * np.uint8(255))
            for file in (tmp_path / site / "masks" / f"{stem}.png", tmp_path / "maps" / site / f"{stem}.png"):
                file.parent.mkdir(parents=True, exist_ok=True)
                mask.save(file)
        damaged = (tmp_path / "s" / "images" / "01.dcm").read_bytes()
        (tmp_path / "s" / "images" / "cut.dcm").write_bytes(damaged[: len(damaged) - 600])
    p, s, store, made = tmp_path / "p", tmp_path / "s", tmp_path / "store", tmp_path / "made"
    reading: dict[str, Any] = {"store": store, "range": "auto", "progress": False}
    kept = {**reading, "backbone": "colour_moments"}
    howfar.assess(p, [s], made / "assessed", predictions=tmp_path / "maps", baselines=False, partial=True, **kept)
    with no_figures():  # those of the assessment are looked at
        run = howfar.compare(p, s, out=made / "run", **{**QUICK, **kept})
    howfar.select(made / "run", "s", 2, "kcenter", out=made / "selected")
    howfar.evaluate(s, tmp_path / "maps" / "s", range="auto", partial=True).save(made / "evaluated" / "s.parquet")
    howfar.profile(p, "colour_moments", **reading).save(made / "p.howfar")
    howfar.check(made / "p.howfar", s, {"images": {"at_least": 2}}, log=made / "log.jsonl", keep=True, store=store)
    assert run.datasets[0].n == 7
    groups = set(pd.read_parquet(made / "run" / "images.parquet").query("dataset == 's'")["group"])
    assert groups == {"s patient 1", "s patient 2", "s patient 3", "s patient 4"}
    files = list(outputs(made, store))
    assert {".parquet", ".json", ".html", ".howfar", ".jsonl"} <= {file.suffix for file, _ in files}
    named = {SECRET.encode(), SECRET.encode("utf-16-le")}
    assert not [file for file, data in files if any(text in data for text in named)]
    assert SECRET not in "".join(capsys.readouterr())


def test_what_a_damaged_file_holds_is_neither_repeated_nor_believed(tmp_path: Path) -> None:
    assert _PILLOW[3].match("howfar.data.medical_images"), "NumPy's warnings there would reach stderr"
    """Errors of pydicom's repeat the bytes of a tag of another type; few bytes claim millions of frames, or a long header."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    place = tmp_path / "site"
    for number, tag in enumerate((0x00100020, 0x0020000D)):
        made = dicom(place / f"{number}.dcm", "")
        made[tag] = RawDataElement(Tag(tag), "US", 9, b"JANE^DOE1", 0, False, True)
        made.save_as(place / f"{number}.dcm")
    dicom(place / "frames.dcm", "", NumberOfFrames="2147483647")
    made = dicom(place / "deflated.dcm", "")
    made.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    made.save_as(place / "deflated.dcm")
    volume(place / "long.nii.gz")
    head = bytearray(gzip.decompress((place / "long.nii.gz").read_bytes()))
    struct.pack_into("<f", head, 108, 2.0**40)
    (place / "long.nii.gz").write_bytes(gzip.compress(head))
    dicom(place / "sound.dcm", "")
    dataset = slices(place, range="0:2000")
    assert [item.name for item in dataset.items] == ["sound.dcm"]
    reasons = {Path(fault.path).name: fault.reason for fault in dataset.skipped}
    assert not any("JANE" in reason for reason in reasons.values())
    assert reasons["0.dcm"] == reasons["1.dcm"] == "damaged DICOM file (BytesLengthException)"
    assert "more frames than it has room for" in reasons["frames.dcm"]
    assert "Deflated Explicit VR is not read" in reasons["deflated.dcm"]
    assert "give more to read so long a header" in reasons["long.nii.gz"]
    with pytest.raises(InputError, match="slices and frames are not cut: leave out --window"):
        slices(place / "sound.dcm", range="0:2000", window=8)


def test_odd_spacings_are_left_out_and_said_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """nibabel would print that it takes a zero for 1, and NumPy that a slope of 3e38 overflows."""
    for number, (place, value) in enumerate(((80, 0.0), (84, -2.0), (88, np.nan), (80, np.inf), (112, 3e38))):
        volume(tmp_path / "site" / f"{number}.nii")
        head = bytearray((tmp_path / "site" / f"{number}.nii").read_bytes())
        struct.pack_into("<f", head, place, value)
        (tmp_path / "site" / f"{number}.nii").write_bytes(head)
    for number, spacing in enumerate(([0, 1], [1, -1], [0.5, 0.5])):
        dicom(tmp_path / "site" / f"d{number}.dcm", "a", PixelSpacing=spacing, SpacingBetweenSlices=-3 if number == 2 else 3)
    dataset = slices(tmp_path / "site", range="0:400")
    spacings = {item.name.partition("/")[0]: tuple(dict(item.further).items()) for item in dataset.items}
    mended = {"0": "slice_spacing", "1": "slice_spacing", "2": "spacing", "3": "slice_spacing"}
    assert {name: next(iter(dict(spacings[name]))) for name in mended} == mended
    assert all(len(spacings[name]) == 1 for name in mended)
    assert [spacings[f"d{number}.dcm"] for number in range(3)] == [(("slice_spacing", "3"),)] * 2 + [(("spacing", "0.5"),)]
    said = {Path(fault.path).name for fault in dataset.skipped if "its spacing is left out" in fault.reason}
    assert said == {*(f"{number}.nii" for number in range(4)), *(f"d{number}.dcm" for number in range(3))}
    for item in dataset.items:
        read_bytes(item.path)
    assert capfd.readouterr() == ("", "")


def test_pixels_of_more_bits_than_stated_are_refused_and_the_inverse_of_8_bits_stays_8_bits(tmp_path: Path) -> None:
    stated = {"BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    dicom(tmp_path / "wide.dcm", "a", **stated)
    with pytest.raises(ImageError, match="its pixels use more bits than the 8 that its tags state"):
        file_values(tmp_path / "wide.dcm", PixelReading(at="0", range="0:255"))
    made = dicom(tmp_path / "narrow.dcm", "a", **stated, PixelData=np.arange(480, dtype="<u2").clip(0, 255).tobytes())
    assert file_values(tmp_path / "narrow.dcm", PixelReading(at="0", range="0:255")).max() == 255 - 1024
    eight = {"BitsAllocated": 8, "PhotometricInterpretation": "MONOCHROME1", "RescaleIntercept": 0}
    made = dicom(tmp_path / "inverse.dcm", "a", **stated, **eight, PixelData=bytes(range(240)) * 2)
    values = file_values(tmp_path / "inverse.dcm", PixelReading(at="0"))
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values[..., 0], 255 - made.pixel_array)


def test_dicom_files_without_an_ending_are_found_in_a_folder_and_alone(tmp_path: Path) -> None:
    for number in range(3):
        dicom(tmp_path / "site" / f"IM{number}", f"{number // 2}", number)
    (tmp_path / "site" / "README").write_text("no picture")
    (tmp_path / "site" / "short").write_bytes(b"DICM")
    dataset = slices(tmp_path / "site", range="0:2000")
    assert [item.name for item in dataset.items] == ["IM0", "IM1", "IM2"]
    assert dataset.groups == ["site patient 1"] * 2 + ["site patient 2"]
    assert read_bytes(slices(tmp_path / "site" / "IM2", range="0:2000").items[0].path) == read_bytes(dataset.items[2].path)
