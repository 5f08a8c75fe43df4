"""Provide a backbone that records in files what it embeds, from whichever process of the machine."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image


class RecordingBackbone:
    """Embed an image as its mean colour, after a delay in seconds, and record it in a folder.

    The folder holds a file for each image, with a line, the process id, for each time that the image was embedded.
    """

    name = "diary"
    layers = (3,)

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds
        self.identity = {"name": self.name}

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Resize an image to (1, 1, 3) uint8."""
        return np.asarray(image.resize((1, 1)))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 1, 1, 3) uint8 into (b, 3) float32."""
        time.sleep(self.seconds * len(batch))
        for picture in batch:
            with (self.folder / bytes(picture).hex()).open("a") as record:
                record.write(f"{os.getpid()}\n")
        return batch.reshape(len(batch), 3).astype(np.float32)

    def counts(self) -> Counter[str]:
        """Count how often each image was embedded; images of one mean colour count together."""
        return Counter({record.name: len(record.read_text().splitlines()) for record in self.folder.iterdir()})

    def processes(self) -> set[int]:
        """List the ids of the processes that have embedded an image."""
        return {int(line) for record in self.folder.iterdir() for line in record.read_text().split()}
