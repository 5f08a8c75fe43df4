"""Compare a model alone in onnxruntime with the network that `howfar fuse` writes of it, at batch 1 and one thread.

The peer is the same model, run in turn with the fused network in one process. Times are of the thread's own processor time, so
that a busy machine changes them little, and of the clock. The network is efficientnet_lite0 at 224 × 224, exported with its
class scores and its pooled feature. The operators alone are timed with profiles of random features of the same length.
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
SIDE, WIDTH, COMPARED = 224, 1280, 1000
CLOCKS = ("of the processor", "of the clock")
OUTPUTS = ("howfar_i_dist_mean", "howfar_relative", "howfar_percentile", "howfar_p_value", "howfar_flag")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=1000, help="images of the primary set of the fused network")
    options.add_argument("--alone", type=int, nargs="+", default=[120, 1000, 5000, 20000], help="the same for operators alone")
    options.add_argument("--compared", type=int, default=COMPARED, help="images whose outputs are compared with howfar score")
    options.add_argument("--repeats", type=int, default=301)
    arguments = options.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    with tempfile.TemporaryDirectory() as scratch:
        model = export(Path(scratch) / "model.onnx")
        results = {
            "fused": fused_network(model, arguments.images, arguments.compared, arguments.repeats),
            "operators alone": [operators(Path(scratch), images, arguments.repeats) for images in arguments.alone],
        }
    leave("onnx_gate", results, arguments.json)


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


def fused_network(model: Path, images: int, compared: int, repeats: int) -> dict[str, Any]:
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


def operators(folder: Path, images: int, repeats: int) -> dict[str, Any]:
    """Time the operators alone for one feature, with the profile of so many random features."""
    import howfar
    from howfar.integrations.onnx_gate import write_gate

    rows = np.random.default_rng(0).normal(size=(images, WIDTH)).astype(np.float32)
    file = write_gate(howfar.profile(rows, progress=False).save(folder / "alone.howfar"), folder / "alone.onnx")
    gate, fed = session(file), {"features": rows[:1]}
    (taken,) = in_turn([gate], fed, repeats)
    return {"images of the primary": images, "bytes": file.stat().st_size, "milliseconds": summary(taken)}


def times(alone: Any, fused: Any, picture: NDArray[np.float32], repeats: int) -> dict[str, Any]:
    """Time both networks in turn."""
    model, both = in_turn([alone, fused], {"pictures": picture}, repeats)
    medians = np.median(both - model, axis=0)
    return {
        "milliseconds at batch 1": {"model": summary(model), "model with howfar": summary(both)},
        "milliseconds added, median of the pairs": dict(zip(CLOCKS, map(float, medians), strict=True)),
        "ratio of the medians": dict(zip(CLOCKS, map(float, np.median(both, axis=0) / np.median(model, axis=0)), strict=True)),
    }


def in_turn(sessions: list[Any], fed: dict[str, Any], repeats: int) -> list[NDArray[np.float64]]:
    """Run sessions in turn, in alternating order, ten times to warm up; return (repeats, 2) milliseconds by `CLOCKS`."""
    found: list[list[tuple[float, float]]] = [[] for _ in sessions]
    for repeat in range(repeats + 10):
        for place in range(len(sessions))[:: 1 if repeat % 2 else -1]:
            started, begun = time.thread_time(), time.perf_counter()
            sessions[place].run(None, fed)
            found[place].append((1e3 * (time.thread_time() - started), 1e3 * (time.perf_counter() - begun)))
    return [np.array(values[10:]) for values in found]


def summary(taken: NDArray[np.float64]) -> dict[str, Any]:
    return {clock: spread(taken[:, place].tolist()) for place, clock in enumerate(CLOCKS)}


if __name__ == "__main__":
    main()
