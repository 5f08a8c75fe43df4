"""Compare the images a second of `howfar.embed` with those of a plain loop of timm and torch's DataLoader.

Both go from JPEG files to stored features. The loop is a simple one: DataLoader with a worker a core, Pillow, torchvision's
resize, the network on all cores in batches of 16, features to one .npy file. Both see the same pictures in the same size and
normalisation, so that the features can be compared. Every measurement is a process of its own, its libraries and its network
loaded before the clock starts; contestants take turns. howfar's first use of a network, with its export, is measured apart.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser, spread

from howfar.demo import write_dataset

NETWORKS = {"efficientnet_lite0": "tf_efficientnet_lite0", "vit": "vit_base_patch16_224"}
CONTESTANTS = ("plain loop", "howfar, torch alone", "howfar")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--photographs", type=Path, nargs="+", help="folders of .jpg; by default 640 px of pavement are drawn")
    options.add_argument("--images", type=int, default=500)
    options.add_argument("--networks", nargs="+", choices=NETWORKS, default=tuple(NETWORKS))
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--job", nargs=4, metavar=("WHO", "NETWORK", "IMAGES", "OUT"), help="one measurement; for itself")
    arguments = options.parse_args()
    if arguments.job:
        contestant, network, images, out = arguments.job
        print(json.dumps(JOBS[contestant](network, Path(images), Path(out))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images"
        gather(images, arguments.images, arguments.photographs)
        results = {network: contest(network, images, Path(scratch), arguments.repeats) for network in arguments.networks}
    leave("throughput", {"images": arguments.images, "networks": results}, arguments.json)


def gather(folder: Path, count: int, sources: Sequence[Path] | None) -> None:
    """Put links to the pictures into a folder of their own."""
    folder.mkdir()
    drawn = sources or [write_dataset(folder.with_name("drawn"), count, size=640) / "images"]
    found = [file for source in drawn for file in sorted(source.rglob("*.jpg"))][:count]
    for number, file in enumerate(found):
        (folder / f"{number:04d}.jpg").symlink_to(file.absolute())
    if len(found) < count:
        sys.exit(f"{len(found)} .jpg files are there, fewer than {count}")


def contest(network: str, images: Path, scratch: Path, repeats: int) -> dict[str, Any]:
    """Time each contestant in turn, and compare their features."""
    cache = scratch / f"{network}-cache"
    first = measure("howfar", network, images, scratch / f"{network}-first", cache)["seconds"]
    seconds: dict[str, list[float]] = {contestant: [] for contestant in CONTESTANTS}
    features = {}
    for repeat in range(repeats):
        for contestant in CONTESTANTS:
            out = scratch / f"{network}-{CONTESTANTS.index(contestant)}-{repeat}"
            done = measure(contestant, network, images, out, cache)
            seconds[contestant].append(done["seconds"])
            features[contestant] = np.load(out / "features.npy").astype(np.float64)
    count = len(features["howfar"])
    rates = {contestant: spread([count / one for one in found]) for contestant, found in seconds.items()}
    plain, quick = features["plain loop"], features["howfar"]
    cosines = (plain * quick).sum(axis=1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(quick, axis=1)
    return {
        "images a second": rates,
        "howfar's first use, with export": count / first,
        "times the plain loop": {
            name: statistics.median([a / b for a, b in zip(seconds["plain loop"], seconds[name], strict=True)])
            for name in CONTESTANTS[1:]
        },
        "lowest cosine with the plain loop": float(cosines.min()),
    }


def measure(contestant: str, network: str, images: Path, out: Path, cache: Path) -> dict[str, float]:
    out.mkdir()
    job = [sys.executable, __file__, "--job", contestant, network, str(images), str(out)]
    done = subprocess.run(job, capture_output=True, text=True, check=True, env=os.environ | {"HOWFAR_STORE": str(cache)})
    return dict(json.loads(done.stdout))


def loop(network: str, images: Path, out: Path) -> dict[str, float]:
    """Embed by the plain loop."""
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision.transforms import v2

    model, mean, std = plain_network(network, timm)
    change = v2.Compose(
        [
            v2.Resize((224, 224), v2.InterpolationMode.BICUBIC),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
    files = sorted(images.iterdir())

    class Pictures(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, at: int) -> torch.Tensor:
            found: torch.Tensor = change(Image.open(files[at]).convert("RGB"))
            return found

    start = time.perf_counter()
    workers = len(os.sched_getaffinity(0))
    with torch.inference_mode():
        rows = [model(batch).numpy() for batch in DataLoader(Pictures(), batch_size=16, num_workers=workers)]
    np.save(out / "features.npy", np.concatenate(rows))
    return {"seconds": time.perf_counter() - start}


def plain_network(network: str, timm: Any) -> tuple[Any, Any, Any]:
    """Make a timm network with the weights of howfar's backbone."""
    backbone = howfar_backbone(network, "torch")
    model = timm.create_model(NETWORKS[network], num_classes=0).eval()
    model.load_state_dict(backbone.network.state_dict())
    seen = backbone.identity["preprocessing"]
    return model, seen["mean"], seen["std"]


def howfar_backbone(network: str, engine: str) -> Any:
    import howfar

    if network == "efficientnet_lite0":
        return howfar.load_backbone(network, engine=engine)
    return howfar.load_backbone(f"timm:{NETWORKS[network]}", pretrained=False, engine=engine)


def by_howfar(engine: str, network: str, images: Path, out: Path) -> dict[str, float]:
    """Embed by `howfar.embed` into a new store."""
    import howfar

    backbone = howfar_backbone(network, engine)
    start = time.perf_counter()
    features = howfar.embed(images, backbone, out / "store", progress=False)
    seconds = time.perf_counter() - start
    np.save(out / "features.npy", np.asarray(features.rows.rows(0, len(features))))
    if engine == "auto" and backbone.engine != "onnxruntime":
        sys.exit(f"onnxruntime was not trusted, {backbone.engine} ran instead")
    return {"seconds": seconds}


JOBS: dict[str, Any] = {
    "plain loop": loop,
    "howfar, torch alone": lambda *given: by_howfar("torch", *given),
    "howfar": lambda *given: by_howfar("auto", *given),
}


if __name__ == "__main__":
    main()
