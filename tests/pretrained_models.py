"""Pretrained networks on real photographs, as users bring them: their answers are written to files, which howfar reads.

The classifier is the ImageNet EfficientNet-Lite0, whose 1,000 classes are summed to kinds of scene; the detector finds faces by
the cascade of local binary patterns that comes with scikit-image; the segmenter is a linear layer on Lite0's first maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

SCENES: Mapping[str, Sequence[int]] = {
    "aquarium": (*range(0, 7), 107, 108, *range(389, 398), 973),
    "bedroom": (516, 520, 564, 721, 750, 831, 846),
    "computer_room": (508, 526, 527, 620, 664, 673, 681, 782),
    "kitchen": (534, 550, 651, 760, 827, 859),
    "library": (453, 454, 624),
    "mountain": (970, 979, 980),
    "ocean": (975, 976, 977, 978),
}
"""Classes of ImageNet, by their numbers, that stand for a kind of scene."""
SHIFTS = ("plain", "dark", "blurred")
FACE = (8, 24, 84, 100)
"""Where the face lies in a picture of the ORL set, of 92 × 112 pixels."""


def shifted(image: Image.Image, kind: str) -> Image.Image:
    """Change a photograph: as it is, far darker, or as an old camera would take it."""
    if kind == "dark":
        return image.point(lambda value: int(value * 0.1))
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 80)) if kind == "blurred" else image


def lite0(**options: Any) -> Any:
    """Load the ImageNet network whose weights are a package."""
    import timm
    import torch

    from howfar.weights.published import packaged_file, timm_name

    state = torch.load(packaged_file(), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, **options)
    own = set(model.state_dict())
    named = {timm_name(name): values for name, values in state.items() if not name.endswith("num_batches_tracked")}
    model.load_state_dict({name: values for name, values in named.items() if name in own}, strict=False)
    return model.eval()


def as_input(image: Image.Image, size: tuple[int, int]) -> Any:
    import torch

    array = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    return torch.from_numpy((array / 255.0 - 0.5) / 0.5).permute(2, 0, 1)[None]


def classify(model: Any, images: Mapping[str, Path]) -> pd.DataFrame:
    """Give the probability of each kind of scene, as a table."""
    import torch

    rows = []
    with torch.inference_mode():
        for name, file in images.items():
            p = model(as_input(Image.open(file), (224, 224)))[0].softmax(0).numpy().astype(np.float64)
            sums = np.array([p[list(numbers)].sum() for numbers in SCENES.values()])
            rows.append([name, *(sums / sums.sum())])
    return pd.DataFrame(rows, columns=["file", *SCENES])


def find_faces(image: Image.Image) -> list[tuple[list[float], float]]:
    """Find faces; the score of a box is the share of strictnesses at which it is found still."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    from howfar.metrics.detection import overlaps

    detector, array = Cascade(lbp_frontal_face_cascade_filename()), np.asarray(image.convert("RGB"))
    by_strictness = [
        [
            [float(x) for x in (box["c"], box["r"], box["c"] + box["width"], box["r"] + box["height"])]
            for box in detector.detect_multi_scale(
                img=array, scale_factor=1.2, step_ratio=1, min_size=(40, 40), max_size=(140, 140), min_neighbor_number=count
            )
        ]
        for count in (1, 3, 5, 8)
    ]
    found = []
    for box in by_strictness[0]:
        still = [bool(level) and bool((overlaps([box], level) > 0.5).any()) for level in by_strictness]
        found.append((box, float(np.mean(still))))
    return found


def place_faces(photo: Image.Image, faces: Sequence[Path], rng: np.random.Generator) -> tuple[Image.Image, list[list[int]]]:
    """Put three faces into a photograph, and return it with the boxes of the faces."""
    scene, boxes = photo.convert("RGB").resize((420, 260)), []
    for k in range(3):
        face = Image.open(faces[int(rng.integers(len(faces)))]).convert("RGB")
        x, y = int(10 + 137 * k + rng.integers(0, 30)), int(rng.integers(5, 140))
        scene.paste(face, (x, y))
        boxes.append([x + FACE[0], y + FACE[1], x + FACE[2], y + FACE[3]])
    return scene, boxes


class PixelClassifier:
    """Tell the class of each pixel by a linear layer on the first maps of Lite0, which stay as they were trained."""

    def __init__(self, images: Sequence[Image.Image], masks: Sequence[np.ndarray]) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self.network = lite0(features_only=True, out_indices=(0, 1))
        rng, rows, classes = np.random.default_rng(0), [], []
        for image, mask in zip(images, masks, strict=True):
            features = self._features(image)
            chosen = np.concatenate([rng.choice(np.flatnonzero(mask.ravel() == k), 150) for k in np.unique(mask)])
            rows.append(features[chosen])
            classes.append(mask.ravel()[chosen])
        self.head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(
            np.concatenate(rows), np.concatenate(classes)
        )

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return (classes, h, w) probabilities."""
        p = self.head.predict_proba(self._features(image)).T
        return np.asarray(p.reshape(-1, image.height, image.width), dtype=np.float32)

    def _features(self, image: Image.Image) -> np.ndarray:
        import torch
        from torch.nn.functional import interpolate

        with torch.inference_mode():
            given = as_input(image, image.size)
            maps = [interpolate(each, image.size[::-1], mode="bilinear") for each in self.network(given)]
            stacked = torch.cat([given, *maps], dim=1)[0]
        return np.asarray(stacked.reshape(len(stacked), -1).T.numpy())
