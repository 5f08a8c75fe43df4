"""A backbone that writes down what it embeds: what tests of embedding in several processes work with."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image


class Diary:
    """A backbone whose feature is a picture's mean colour, and which takes its time and notes each picture that it embeds.

    Parameters
    ----------
    folder
        Where its notes go: a file for each picture with a line, the process, for each time that it was embedded.
    seconds
        How long it takes for a picture.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> diary = Diary(Path(tempfile.mkdtemp()))
    >>> diary.embed(np.stack([diary.prepare(Image.new("RGB", (8, 8), (9, 6, 3)))]))
    array([[9., 6., 3.]], dtype=float32)
    >>> sum(diary.noted().values()), diary.processes() == {os.getpid()}
    (1, True)
    """

    name = "diary"
    layers = (3,)

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds
        self.identity = {"name": self.name}

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Return (1, 1, 3) uint8."""
        return np.asarray(image.resize((1, 1)))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 1, 1, 3) uint8 into (b, 3) float32."""
        time.sleep(self.seconds * len(batch))
        for picture in batch:
            with (self.folder / bytes(picture).hex()).open("a") as page:
                page.write(f"{os.getpid()}\n")
        return batch.reshape(len(batch), 3).astype(np.float32)

    def noted(self) -> Counter[str]:
        """How often each picture was embedded; pictures of one mean colour count together."""
        return Counter({page.name: len(page.read_text().splitlines()) for page in self.folder.iterdir()})

    def processes(self) -> set[int]:
        """The processes that have embedded."""
        return {int(line) for page in self.folder.iterdir() for line in page.read_text().split()}
