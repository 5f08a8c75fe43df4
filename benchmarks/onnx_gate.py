"""Compare a model alone in onnxruntime with the network that `howfar fuse` writes of it, at batch 1 and one thread.

The peer is the same model, run in turn with the fused network in one process. Howfar's part is the
difference of the medians. The network is efficientnet_lite0 at 224 × 224, exported with its logits and its pooled feature.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from record import leave, parser, spread

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SIDE, COMPARED = 224, 1000
OUTPUTS = ("howfar_i_dist_mean", "howfar_relative", "howfar_percentile", "howfar_p_value", "howfar_flag")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, nargs="+", default=[120, 1000, 5000], help="images of the primary set")
    options.add_argument("--compared", type=int, default=COMPARED, help="images whose outputs are compared with howfar score")
    options.add_argument("--repeats", type=int, default=301)
    arguments = options.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    with tempfile.TemporaryDirectory() as scratch:
        model = export(Path(scratch) / "model.onnx")
        rows = [of_size(model, images, arguments.compared, arguments.repeats) for images in arguments.images]
    leave("onnx_gate", {"bytes of the model": rows[0].pop("bytes of the model"), "primaries": rows}, arguments.json)


def export(file: Path) -> Path:
    """Export the network with its class scores and its pooled feature as outputs."""
    import timm
    import torch

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.network = timm.create_model("efficientnet_lite0", pretrained=False).eval()

        def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            maps = self.network.forward_features(pictures)
            return self.network.forward_head(maps), self.network.forward_head(maps, pre_logits=True)

    names: dict[str, Any] = {"input_names": ["pictures"], "output_names": ["scores", "features"]}
    axes = {name: {0: "batch"} for name in ("pictures", "scores", "features")}
    torch.onnx.export(
        Both(), (torch.zeros(1, 3, SIDE, SIDE),), file, dynamo=False, opset_version=17, dynamic_axes=axes, **names
    )
    return file


def of_size(model: Path, images: int, compared: int, repeats: int) -> dict[str, Any]:
    """Fuse the model with the profile of so many images, compare its outputs with `howfar score`, and time it."""
    import howfar
    from howfar.integrations.onnx_gate import fuse

    primary, new = pictures(images, 0, 200), pictures(compared, 1, 180)
    made = howfar.profile(primary, f"onnx:{model}", output="features", size=SIDE, store=model.parent / "store", progress=False)
    file = made.save(model.with_name(f"{images}.howfar"))
    both = fuse(model, file, model.with_name(f"{images}.onnx"))
    alone, fused = session(model), session(both)
    prepared = prepare(new)
    each = [{"pictures": prepared[i : i + 1]} for i in range(len(prepared))]
    outputs = [fused.run(None, fed) for fed in each]
    equal = sum(np.array_equal(alone.run(None, fed)[0], output[0]) for fed, output in zip(each, outputs, strict=True))
    scores = made.score(new, store=model.parent / "store").images
    differences = {}
    for place, name in enumerate(OUTPUTS):
        expected = np.array([getattr(score, name.removeprefix("howfar_")) for score in scores], dtype=np.float64)
        values = np.concatenate([output[2 + place] for output in outputs]).astype(np.float64)
        differences[name] = float(np.max(np.abs(values - expected) / np.maximum(np.abs(expected), 1e-9)))
    return {
        "images of the primary": images,
        "bytes of the model": model.stat().st_size,
        "bytes added": both.stat().st_size - model.stat().st_size,
        "images compared": compared,
        "of them with scores of the model that are equal to the bit": equal,
        "of them flagged": sum(bool(score.flag) for score in scores),
        "largest relative difference from howfar score": differences,
        **times(alone, fused, prepared[:1], repeats),
    }


def pictures(count: int, seed: int, spread_of_colour: int) -> list[NDArray[np.uint8]]:
    """Draw noise about random colours, 32 × 32 pixels."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, spread_of_colour, (count, 1, 1, 3))
    return [*(colours + rng.integers(0, 56, (count, 32, 32, 3))).astype(np.uint8)]


def prepare(images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Prepare images as a user without howfar does: resized by Pillow, scaled, normalised by ImageNet's mean and spread."""
    from PIL import Image

    resized = [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in images]
    scaled = np.stack(resized).astype(np.float32) / np.float32(255)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return np.ascontiguousarray(((scaled - mean) / std).transpose(0, 3, 1, 2))


def session(file: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def times(alone: Any, fused: Any, picture: NDArray[np.float32], repeats: int) -> dict[str, Any]:
    """Time both networks in turn, after ten runs of each to warm up, in milliseconds a picture."""
    found: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 10):
        for place in (0, 1) if repeat % 2 else (1, 0):
            started = time.perf_counter()
            (alone, fused)[place].run(None, {"pictures": picture})
            found[place].append(1e3 * (time.perf_counter() - started))
    model, both = (spread(values[10:]) for values in found)
    return {
        "milliseconds at batch 1": {"model": model, "model with howfar": both},
        "milliseconds added, of the medians": both["median"] - model["median"],
        "ratio of the medians": both["median"] / model["median"],
    }


if __name__ == "__main__":
    main()
