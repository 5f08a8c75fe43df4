"""Ground-truth masks: a picture to true and false."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data.colour import is_wide, to_rgb, wide_values
from howfar.data.images import load, read_bytes
from howfar.errors import ImageError

BLACK = (0, 0, 0)
_LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask file: foreground where the value is above 127 of 255.

    A colour or palette mask counts by its brightest channel, so that red on black is foreground; transparent pixels are
    background. 16-bit values are scaled to 0-255 first, unless none is above 255, when they are 8-bit values already.

    Parameters
    ----------
    path
        Any image file that `howfar.data.decode` takes.

    Returns
    -------
    Array of bool, shape (h, w).

    Raises
    ------
    ImageError
        As `howfar.data.read_bytes` and `howfar.data.decode`; or a lossless mask whose values are 0 and 1, which would
        else be read as wholly background.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "mask.png"
    >>> Image.fromarray(np.array([[0, 127, 128, 255]] * 4, np.uint8)).save(file)
    >>> read_mask(file)[0]
    array([False, False,  True,  True])
    """
    image = load(read_bytes(path)).image
    values = _eight_bit(image)
    if values.max() == 1 and image.format not in _LOSSY:
        raise ImageError("a mask of 0 and 1: foreground is above 127, so multiply it by 255")
    return values > 127


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    if is_wide(image) and image.mode != "F" and wide_values(image).max() <= 255:
        return wide_values(image).astype(np.uint8)
    brightest: NDArray[np.uint8] = np.asarray(to_rgb(image, paper=BLACK)).max(axis=2)
    return brightest
