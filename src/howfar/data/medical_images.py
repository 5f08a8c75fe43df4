"""Read slices of NIfTI volumes and frames of DICOM files; no text of DICOM tags leaves this module, for privacy."""

import struct
from collections.abc import Hashable, Iterator
from functools import lru_cache
from itertools import product
from math import isfinite, nan, prod
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.data.compact_item_table import Item
from howfar.data.image_decoding import NAME_RANGE, check_size, decoding, reason_added
from howfar.data.image_stacks import WHOLE, Stack, part, place
from howfar.errors import ImageError, needing
from howfar.image_reading_options import PixelReading
from howfar.memory import file_limit

_MILLIMETRES: Final = {"meter": 1e3, "micron": 1e-3}
_SIDES: Final = "RLAPSI"
_AXES: Final = "ztuvw"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_OVERLAY_BIT: Final = 0x60000102
"""The tag of files that keep an overlay in bits that the pixels leave unused."""
_LEAST_OF_FRAME: Final = 8
"""Bytes that a frame of a DICOM file takes at least."""
_unpacking: Final = Lock()
_HEAD: Final = 540
_OFFSETS: Final = {348: (108, "f", 80, "3f"), 540: (168, "q", 112, "3d")}
"""Where NIfTI-1 and NIfTI-2, told apart by the size of their headers, say at which byte voxels begin, and the spacing."""
_ODD: Final = "its spacing is left out, which holds no lengths"


def _sized(columns: Any, rows: Any, thickness: Any) -> dict[str, str]:
    """Return a slice's spacing within (one number if equal) and between slices in mm, as columns; "" unless above 0."""
    sides, between = (
        [f"{side:.4g}" if isfinite(side) and side > 0 else "" for side in map(float, lengths)]
        for lengths in ((rows, columns), (0 if thickness is None else thickness,))
    )
    spacing = sides[0] if sides[0] == sides[1] else "x".join(sides) if all(sides) else ""
    return {"spacing": spacing, "slice_spacing": between[0]}


def _seen(values: NDArray[Any], reading: PixelReading) -> NDArray[Any]:
    """Return a slice as (h, w, bands); raise `ImageError` for a choice of bands that it lacks, and for want of a range."""
    values = values if values.ndim == 3 else values[..., None]
    check_size(values.shape[1], values.shape[0])
    if max(reading.bands, default=1) > values.shape[2]:
        raise ImageError(f"it has {values.shape[2]} bands, and --bands asks for band {max(reading.bands)}")
    values = values[..., [band - 1 for band in reading.bands]] if reading.bands else values
    if reading.at.endswith(WHOLE):
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.uint8)
        if not np.array_equal(values, whole):
            raise ImageError("a mask whose values are no whole numbers from 0 to 255")
        return whole
    if not reading.range and values.dtype != np.uint8:
        raise ImageError(f"{values.dtype} values from {np.nanmin(values):g} to {np.nanmax(values):g}: {NAME_RANGE} or auto")
    return values


def _spacing_of_head(file: Path | str) -> tuple[float, ...]:
    """Return the spacing that a file states, before nibabel mends it; `ImageError` for extensions too long for the memory."""
    from nibabel.openers import ImageOpener

    with ImageOpener(file) as stream:
        head = stream.read(_HEAD)
    for order in "<>" if len(head) == _HEAD else "":
        if (fields := _OFFSETS.get(struct.unpack_from(f"{order}i", head)[0])) is None:
            continue
        place, kind, sides, three = fields
        if (offset := struct.unpack_from(f"{order}{kind}", head, place)[0]) > file_limit() // 8:
            raise ImageError(f"its voxels begin at byte {offset:.0f}: give more to read so long a header (--memory)")
        return struct.unpack_from(f"{order}{three}", head, sides)
    return (nan, nan, nan)


@lru_cache(maxsize=3)
def _unpacked(file: Path | str, changed: int) -> Any:
    """Return an image whose compressed voxels are in memory, since slices cannot be found in them; keep the last three."""
    import nibabel

    image = nibabel.load(file)
    needed = int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    with decoding(needed, "the slices of a compressed volume"):
        return image, image.dataobj.get_unscaled()


class Nifti(Stack):
    """Read the slices of a NIfTI volume, along its third axis, turned as radiology shows them; the volume is the group.

    Columns run to the patient's left, or from front to back; rows to the back, or to the feet.
    """

    def __init__(self, file: Path | str) -> None:
        with needing("needs nibabel: pip install 'howfar[medical]'", ImageError):
            import nibabel
        with reason_added("damaged NIfTI file"):  # nibabel, NumPy and zlib raise errors of many kinds over damaged files
            sides = _spacing_of_head(file)
            if str(file).lower().endswith(".gz"):
                with _unpacking:  # once for all threads
                    self._image, self._voxels = _unpacked(file, Path(file).stat().st_mtime_ns)
            else:
                self._image = nibabel.load(file)
                self._voxels = self._image.dataobj.get_unscaled()
            if not isinstance(self._image, nibabel.Nifti1Pair) or self._voxels.ndim < 2 or 0 in self._voxels.shape:
                raise ImageError("a NIfTI file that holds no volume of slices")
            unit = _MILLIMETRES.get(self._image.header.get_xyzt_units()[0], 1.0)
            codes = nibabel.aff2axcodes(self._image.affine)[:2]
        if self._voxels.dtype.kind == "c":
            raise ImageError("complex values: save their magnitude")
        self._codes = ("R", "A") if None in codes else codes
        """Where the first two axes lead: to the right (R) or left, the front (A) or back, the head (S) or feet."""
        self._lies = _SIDES.index(self._codes[0]) < _SIDES.index(self._codes[1])
        """Whether the first axis is that of the columns."""
        columns, rows, between = (side * unit for side in sides)
        columns, rows = (columns, rows) if self._lies else (rows, columns)
        self._spacing = _sized(columns, rows, between if self._voxels.ndim > 2 else None)

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the slices in the order of the file, with their spacing, without those of one value."""
        check_size(*self._voxels.shape[:2])
        if item.mask is not None:
            other = Nifti(item.mask)
            is_alike = other._voxels.shape == self._voxels.shape
            if not is_alike or not np.allclose(other._image.affine, self._image.affine, atol=1e-2):
                raise ImageError("its mask has another shape or place in space (affine): resample the mask to the image")
        blank, shape = 0, self._voxels.shape[2:]
        for index in product(*map(range, shape)):
            plane = self._plane(index)
            if (plane == plane[0, 0]).all():
                blank += 1
                continue
            name = "-".join(f"{axis}{number}" for axis, number in zip(_AXES, index, strict=False))
            yield part(item, name, PixelReading(at=",".join(map(str, index)) or "0"), **self._spacing)
        left_out = [f"{blank} of {prod(shape)} slices are left out: one value in all pixels"] if blank else []
        left_out += [] if self._spacing["spacing"] and (self._spacing["slice_spacing"] or not shape) else [_ODD]
        if left_out:
            raise ImageError("; ".join(left_out))

    def _plane(self, index: tuple[int, ...]) -> NDArray[Any]:
        with reason_added("damaged NIfTI file"):  # it may be cut short
            return np.asarray(self._voxels[(slice(None), slice(None), *index)])

    def values(self, reading: PixelReading) -> NDArray[Any]:
        """Return a slice (h, w, bands): floating numbers where the file scales its values."""
        axes = self._voxels.ndim - 2
        index = place(reading, max(1, axes))
        if index is None or any(number >= size for number, size in zip(index, self._voxels.shape[2:] or (1,), strict=True)):
            raise ImageError(f"it has {self._voxels.shape} voxels, and no slice at {reading.at}")
        values = self._plane(index[:axes])
        if values.dtype.names:
            values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        slope, intercept = self._image.dataobj.slope, self._image.dataobj.inter
        if (slope, intercept) != (1, 0):
            with np.errstate(over="ignore", invalid="ignore"):
                values = values * np.float32(slope) + np.float32(intercept)
        for axis, code in enumerate(self._codes):
            values = np.flip(values, axis) if code in "RAS" else values
        values = values.swapaxes(0, 1) if self._lies else values
        return _seen(values.astype(values.dtype.newbyteorder("="), copy=False), reading)


class Dicom(Stack):
    """Read the frames of a DICOM file; the patient, or else the study or series, is the group, and is never named."""

    def __init__(self, file: Path | str) -> None:
        with needing("needs pydicom: pip install 'howfar[medical]'", ImageError):
            import pydicom
        self._file = file
        try:
            with Path(file).open("rb") as stream:
                is_deflated = pydicom.filereader.read_file_meta_info(file).get("TransferSyntaxUID") == _DEFLATED
                wanted = {"stop_before_pixels": True, "specific_tags": list(_TAGS)}
                self._tags = pydicom.Dataset() if is_deflated else pydicom.dcmread(stream, **wanted)
                self._pixels = stream.tell()
                """Where the element of the pixels begins."""
            list(self._tags.iterall())  # parses all tags here, where errors are not repeated
        except pydicom.errors.InvalidDicomError as error:
            raise ImageError("no DICOM file: it lacks the letters DICM after 128 bytes") from error
        except Exception as error:  # what pydicom says may hold what tags say
            raise ImageError(f"damaged DICOM file ({type(error).__name__})") from error
        if is_deflated:  # it could expand without limit
            raise ImageError("the transfer syntax Deflated Explicit VR is not read: convert it to Explicit VR Little Endian")
        if _whole(self._tags.get("NumberOfFrames")) > Path(file).stat().st_size // _LEAST_OF_FRAME + 1:
            raise ImageError("damaged DICOM file (more frames than it has room for)")

    @property
    def owner(self) -> Hashable:
        """Return the patient, else the study or series; the file's folder where the file says nothing."""
        patient = str(self._tags.get("PatientID", "") or "")
        if patient:
            return patient, str(self._tags.get("IssuerOfPatientID", ""))
        study = self._tags.get("StudyInstanceUID") or self._tags.get("SeriesInstanceUID")
        return str(study) if study else str(Path(self._file).parent)

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the frames; a file of one is called as the file is."""
        if not (self._tags.get("Rows") and self._tags.get("Columns")):
            raise ImageError("a DICOM file without a picture, such as a report or a plan")
        count, is_odd = _whole(self._tags.get("NumberOfFrames")), False
        for number in range(count):
            name, spacing = f"f{number}" if count > 1 else "", self._spacing(number)
            is_odd |= "" in spacing.values()
            yield part(item, name, PixelReading(at=str(number)), **spacing)
        if is_odd:
            raise ImageError(_ODD)

    def _functional(self, number: int, sequence: str) -> Any:
        """Return what a file of many frames says of one of them in a sequence, or of all; else what it says itself."""
        frames = self._tags.get("PerFrameFunctionalGroupsSequence") or ()
        shared = self._tags.get("SharedFunctionalGroupsSequence") or ()
        for group in (*frames[number : number + 1], *shared[:1]):
            if found := group.get(sequence):
                return found[0]
        return self._tags

    def _spacing(self, number: int) -> dict[str, str]:
        tags = self._functional(number, "PixelMeasuresSequence")
        try:
            rows, columns = tags.get("PixelSpacing") or tags.get("ImagerPixelSpacing")
            between = tags.get("SpacingBetweenSlices") or tags.get("SliceThickness")
            sized = _sized(columns, rows, between)
            return {name: text for name, text in sized.items() if name == "spacing" or between}
        except Exception:  # not stated, or no numbers
            return {}

    def values(self, reading: PixelReading) -> NDArray[Any]:
        """Return a frame (h, w, bands) with the rescale slope and intercept applied, dark where there is least signal."""
        from pydicom.pixels import apply_color_lut

        number = place(reading, 1)
        if number is None or number[0] >= _whole(self._tags.get("NumberOfFrames")):
            raise ImageError(f"it has no frame {reading.at}")
        check_size(_whole(self._tags.get("Columns")), _whole(self._tags.get("Rows")))
        tags = self._tags
        try:
            values = self._decoded(number[0])
            photometric = tags.get("PhotometricInterpretation")
            # pydicom drops the bits above those stated, and what is left of a wider value is noise.
            wide = tags.BitsStored <= 8 < tags.BitsAllocated and _OVERLAY_BIT not in tags
            wide = wide and bool((self._decoded(number[0], correct_unused_bits=False) != values).any())
            if photometric == "PALETTE COLOR":
                values = apply_color_lut(values, tags)
                values = values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
            elif values.ndim == 2:
                values = self._rescaled(values, number[0], photometric == "MONOCHROME1")
        except Exception as error:  # pydicom and its decoders raise errors of many kinds
            raise ImageError(self._why(error)) from error
        if wide:
            raise ImageError("its pixels use more bits than the 8 that its tags state (BitsStored): correct the tag")
        return _seen(values, reading)

    def _decoded(self, number: int, **options: Any) -> NDArray[Any]:
        """Decode a frame without parsing the tags again; pixels follow the 8 or, with their type, 12 bytes of their element."""
        from pydicom.datadict import keyword_for_tag
        from pydicom.pixels import get_decoder
        from pydicom.pixels.utils import as_pixel_options

        syntax = self._tags.file_meta.TransferSyntaxUID
        with Path(self._file).open("rb") as stream:
            stream.seek(self._pixels)
            group, element, kind = struct.unpack(f"{'><'[syntax.is_little_endian]}HH4s", stream.read(8))
            if not syntax.is_implicit_VR:
                options["pixel_vr"] = kind[:2].decode()
                stream.read(4)
            options |= {"pixel_keyword": keyword_for_tag(group << 16 | element), "transfer_syntax_uid": syntax}
            values, _ = get_decoder(syntax).as_array(stream, index=number, **as_pixel_options(self._tags, **options))
        return np.asarray(values)

    def _rescaled(self, values: NDArray[Any], number: int, is_inverse: bool) -> NDArray[Any]:
        """Apply a linear rescale or a lookup table; integers stay integers, of 16 bits where these hold them."""
        from pydicom.pixels import apply_modality_lut

        tags = self._tags
        if is_inverse:  # the highest stored value is black
            values = (-1 if tags.get("PixelRepresentation") else values.dtype.type((1 << int(tags.BitsStored)) - 1)) - values
        if tags.get("ModalityLUTSequence"):
            return np.asarray(apply_modality_lut(values, tags))
        source = self._functional(number, "PixelValueTransformationSequence")
        slope, intercept = float(source.get("RescaleSlope", 1)), float(source.get("RescaleIntercept", 0))
        if (slope, intercept) == (1, 0):
            return values
        if not slope.is_integer() or not intercept.is_integer():
            return np.asarray(values * np.float32(slope) + np.float32(intercept))
        ends = [int(end) * int(slope) + int(intercept) for end in (values.min(), values.max())]
        # A table maps values of 16 bits; sums that wrap around on the way to them are right in the end.
        kinds = [kind for kind in (np.uint16, np.int16) if all(np.iinfo(kind).min <= end <= np.iinfo(kind).max for end in ends)]
        kind = kinds[0] if kinds else np.int64
        scaled: Any = values.astype(kind, copy=False)
        factor, summand = (np.array(int(number)).astype(kind) for number in (slope, intercept))
        return np.asarray((scaled if factor == 1 else scaled * factor) + summand)

    def _why(self, error: Exception) -> str:
        """Say why a frame cannot be decoded, in words of howfar's own: pydicom's may hold what tags say."""
        from pydicom.uid import UID_dictionary

        syntax = str(getattr(getattr(self._tags, "file_meta", None), "TransferSyntaxUID", ""))
        name = UID_dictionary[syntax][0] if syntax in UID_dictionary else "unknown"
        if isinstance(error, NotImplementedError):
            return f"the transfer syntax {name} is not read: convert it to Explicit VR Little Endian"
        if "missing dependencies" in str(error):
            return f"the transfer syntax {name} needs a decoder: pip install python-gdcm"
        if "available plugins" in str(error):
            return f"damaged, or a form of {name} that needs another decoder: pip install python-gdcm"
        return f"damaged DICOM file ({type(error).__name__})"


_TAGS: Final = (
    *("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "NumberOfFrames"),
    *("PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness"),
    *("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", _OVERLAY_BIT),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored"),
    *("PixelRepresentation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)


def _whole(count: Any) -> int:
    """Return a whole number that a tag holds; 1 for a tag that is missing or holds none."""
    try:
        return max(1, int(count))
    except (TypeError, ValueError):
        return 1
