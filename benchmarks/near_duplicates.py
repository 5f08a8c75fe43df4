"""Measure how many altered copies of images are found, and how many pairs that are none, and choose the thresholds.

Thresholds of `howfar.studies.near_duplicates` are chosen on pairs of deepcrack_tiles, gaps384_tiles and voc2007 that are no
copies (tiles of one photograph among them): 0.01 above the largest agreement of any. They are judged on cfd, crack500_tiles,
bsds500 and sun_scenes, and by alterations, that had no say. Eyes are framed alike, and agree without being copies: how many
spreads above the median a pair has to agree is chosen on drive, 0.1 above the most of any pair, and judged on hrf. The images
are research data and do not come with the project: --data names a folder that holds one folder a set.
"""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from record import leave, parser
from scipy.stats import beta

import howfar
from howfar.backbones.handcrafted_features import mirrored
from howfar.pipeline.pair_measurement import NAMED
from howfar.studies.near_duplicates import ALIKE, ALIKE_AND_NEAR, SPREADS, SURE, best_match, usual_agreement

CHOOSING, JUDGING = ("deepcrack_tiles", "gaps384_tiles", "voc2007"), ("cfd", "crack500_tiles", "bsds500", "sun_scenes")
FRAMED, FRAMED_JUDGING = "drive", "hrf"
# Looked at: the one is the other saved anew, and two shots of one sunset.
COPIES = ({"11158-4.jpg", "11216-4.jpg"}, {"sun_alwxdxldnifsfrwd.jpg", "sun_aqytybaahflockmv.jpg"})
MARGIN, COUNT, QUICK = 0.01, 30, {"bootstrap": 0, "permutations": 0, "baselines": False, "rivals": False, "progress": False}
Alter = Callable[[Image.Image], Image.Image]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--store", type=Path, help="keep features there between runs")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        store = arguments.store or place / "store"
        chosen = choose(arguments.data, store)
        results = {
            "thresholds": {
                "hash": ALIKE,
                "hash, nearest by features": ALIKE_AND_NEAR,
                "spreads above the median": SPREADS,
                "sure": SURE,
            },
            "chosen": chosen,
            "trial": trial(arguments.data, store, place / "trial", chosen["imagehash, 64 bits"]),
            "false pairs": false_pairs(arguments.data, store),
            "framed alike": {name: framed(arguments.data, name, store) for name in (FRAMED, FRAMED_JUDGING)},
            # Images evenly through each set, in its order.
            "recall": {name: recall(arguments.data, name, store, place / name, chosen) for name in JUDGING},
            "recall on the choosing sets": {
                name: recall(arguments.data, name, store, place / name, chosen) for name in CHOOSING
            },
            "recall where all are framed alike": {
                name: recall(arguments.data, name, store, place / name, chosen) for name in (FRAMED, FRAMED_JUDGING)
            },
            "seconds": seconds(),
        }
    leave("near_duplicates", results, arguments.json)


def files(data: Path, name: str) -> list[Path]:
    return [Path(str(item.path)) for item in howfar.Dataset.from_folder(data / name).items]


def picture(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def saved(quality: int) -> Alter:
    def alter(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "jpeg", quality=quality)
        return Image.open(buffer).convert("RGB")

    return alter


def cropped(share: float) -> Alter:
    def alter(image: Image.Image) -> Image.Image:
        across, down = round(share * image.width), round(share * image.height)
        return image.crop((across, down, image.width - across, image.height - down))

    return alter


def resized(factor: float) -> Alter:
    return lambda image: image.resize((round(factor * image.width), round(factor * image.height)), Image.Resampling.BICUBIC)


def turned(degrees: float) -> Alter:
    def alter(image: Image.Image) -> Image.Image:
        grey = tuple(round(float(value)) for value in np.asarray(image).mean(axis=(0, 1)))
        return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=grey)

    return alter


TRIED: Mapping[str, Alter] = {
    "saved at quality 85": saved(85),
    "saved at quality 40": saved(40),
    "cropped by 3 %": cropped(0.03),
}
HELD_OUT: Mapping[str, Alter] = {
    "brightness 1.3": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "brightness 0.7": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "contrast 0.6": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "blur of 2 px": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "half the size": resized(0.5),
    "twice the size": resized(2.0),
    "turned by 2 degrees": turned(2),
    "turned by 5 degrees": turned(5),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "cropped by 5 %": cropped(0.05),
    "cropped by 10 %": cropped(0.1),
}


def peer(images: Sequence[Image.Image]) -> np.ndarray:
    """Compute the library's hash as it comes, 64 bits, as signs."""
    return np.array([np.where(imagehash.phash(image).hash.reshape(-1), 1, -1) for image in images], np.float32)


def choose(data: Path, store: Path) -> dict[str, float]:
    """Find 0.01 above the largest agreement of pairs that are no copies: of all, and of images that are near by features."""
    hashes, names, nearest, few = [], [], [], []
    for name in CHOOSING:
        features = howfar.embed(data / name, "perceptual_hash", store, progress=False)
        hashes.append(features.to_array())
        names += [Path(image).name for image in features.images]
        few.append(peer([picture(path) for path in files(data, name)]))
    for primary, site in pairs_of_sets(data, CHOOSING):
        found = howfar.compare(primary, site, store=store, **QUICK)
        nearest.append(agreement_of_nearest(found, primary, site, store))
    every = np.concatenate(hashes)
    return {
        "hash": above(largest(every, names, mirror=True)),
        "hash, nearest by features": above(max(nearest)),
        "imagehash, 64 bits": above(largest(np.concatenate(few), names, mirror=False)),
        "spreads above the median": round(math.ceil(10 * (most_spreads(data, FRAMED, store) + 0.1) - 1e-9) / 10, 1),
        "pairs": len(every) * (len(every) - 1) // 2,
    }


def most_spreads(data: Path, name: str, store: Path) -> float:
    """Find how many spreads above the median two images agree at most, of one set that are no copies, and of its halves."""
    signs = howfar.embed(data / name, "perceptual_hash", store, progress=False).to_array()
    most = 0.0
    for a, b in ((signs, signs), (signs[1::2], signs[::2])):
        best = np.maximum(*(best_match(own, b, earlier=a is b).agreement for own in (a, mirrored(a)))).max()
        middle, above_it = (usual_agreement(a, b, mirrored(a), same=a is b, spreads=count) for count in (0.0, 1.0))
        most = max(most, float((best - middle) / (above_it - middle)))
    return most


def framed(data: Path, name: str, store: Path) -> dict[str, Any]:
    """Count what is listed of a set without copies whose images are framed alike, and what their agreement alone would list."""
    items = howfar.Dataset.from_folder(data / name).items
    found = howfar.compare(
        howfar.Dataset(f"{name} even", items[::2]), howfar.Dataset(f"{name} odd", items[1::2]), store=store, **QUICK
    )
    signs = howfar.embed(data / name, "perceptual_hash", store, progress=False).to_array()
    alike = [best_match(own[1::2], signs[::2]).agreement >= ALIKE for own in (signs, mirrored(signs))]
    return {
        "images": len(items),
        "listed of the odd ones": len(found.near_duplicates[found.near_duplicates["other_dataset"] == f"{name} even"]),
        "whose best agreement is enough": int((alike[0] | alike[1]).sum()),
        "most spreads above the median": most_spreads(data, name, store),
    }


def above(value: float) -> float:
    return round(math.ceil(100 * (value + MARGIN) - 1e-9) / 100, 2)


def largest(signs: np.ndarray, names: Sequence[str], mirror: bool) -> float:
    """Find the largest agreement of two images that are no copies."""
    best = 0.0
    for other in (signs, mirrored(signs)) if mirror else (signs,):
        products = (1 + other @ signs.T / signs.shape[1]) / 2
        np.fill_diagonal(products, 0)
        for copy in COPIES:
            rows = [row for row, name in enumerate(names) if name in copy]
            products[np.ix_(rows, rows)] = 0
        best = max(best, float(products.max()))
    return best


def pairs_of_sets(data: Path, names: Sequence[str]) -> list[tuple[Any, Any]]:
    """List every set with every other, and with itself the even images as P and the odd ones as S."""
    pairs = []
    for one, other in combinations_with_replacement(names, 2):
        if one != other:
            pairs.append((howfar.Dataset.from_folder(data / one), howfar.Dataset.from_folder(data / other)))
        else:
            items = howfar.Dataset.from_folder(data / one).items
            pairs.append((howfar.Dataset(f"{one} even", items[::2]), howfar.Dataset(f"{one} odd", items[1::2])))
    return pairs


def agreement_of_nearest(found: Any, primary: Any, site: Any, store: Path) -> float:
    """Find the largest agreement of an image and one of its nearest by features, copies aside."""
    p, s = (howfar.embed(dataset, "perceptual_hash", store, progress=False) for dataset in (primary, site))
    signs, row_of, best = p.to_array(), {image: row for row, image in enumerate(p.images)}, 0.0
    for column in (name for name in (f"nearest{number}" for number in range(1, NAMED + 1)) if name in found.images):
        rows = found.images[column].map(row_of).to_numpy()
        for own in (s.to_array(), mirrored(s.to_array())):
            agreed = (own == signs[rows]).mean(axis=1)
            for row in np.flatnonzero(agreed > best):
                if not any({Path(s.images[row]).name, Path(p.images[rows[row]]).name} == copy for copy in COPIES):
                    best = max(best, float(agreed[row]))
    return best


def trial(data: Path, store: Path, folder: Path, fewest: float) -> dict[str, Any]:
    """Put 40 copies of cfd images among those of crack500_tiles: 10 equal, 15 saved anew, 15 cropped by 5 px."""
    originals, folder = files(data, "cfd"), folder / "site"
    folder.mkdir(parents=True)
    for path in files(data, "crack500_tiles"):
        (folder / path.name).write_bytes(path.read_bytes())
    chosen = np.random.default_rng(0).choice(len(originals), 40, replace=False)
    for number, row in enumerate(chosen):
        path, image = originals[row], picture(originals[row])
        if number < 10:
            (folder / f"copy {path.stem}.jpg").write_bytes(path.read_bytes())
        elif number < 25:
            image.save(folder / f"copy {path.stem}.jpg", quality=85)
        else:
            image.crop((5, 5, image.width - 5, image.height - 5)).save(folder / f"copy {path.stem}.png")
    found = howfar.compare(data / "cfd", folder, store=store, **QUICK)
    clean = howfar.compare(data / "cfd", data / "crack500_tiles", store=store, **QUICK)
    without = howfar.compare(data / "cfd", folder, store=store, leaks="drop", **QUICK)
    pairs = found.near_duplicates[found.near_duplicates["other_dataset"] == "cfd"]
    right = [Path(row.image).stem == f"copy {Path(row.other).stem}" for row in pairs.itertuples()]
    copies = sorted(folder.glob("copy *"))
    agreed = [float((a == b).mean()) for a, b in zip(
        peer([picture(path) for path in copies]),
        peer([picture(data / "cfd" / "images" / f"{path.stem[5:]}.jpg") for path in copies]), strict=True)]  # fmt: skip
    return {
        "copies": len(copies),
        "found": sum(right),
        "other pairs": len(right) - sum(right),
        "pairs of cfd and crack500_tiles alone": len(clean.near_duplicates),
        "relative": [each.datasets[0].relative for each in (found, without, clean)],
        "found by imagehash, 64 bits": sum(value >= fewest for value in agreed),
    }


def false_pairs(data: Path, store: Path) -> dict[str, Any]:
    """Count the pairs that are found between and within the judging sets, which hold no copies but for one pair of shots."""
    pairs, found, copies = 0, [], []
    for primary, site in pairs_of_sets(data, JUDGING):
        result = howfar.compare(primary, site, store=store, **QUICK)
        listed = result.near_duplicates[result.near_duplicates["other_dataset"] == primary.name]
        pairs += len(primary) * len(site)
        for row in listed.itertuples():
            both = {Path(row.image).name, Path(row.other).name}
            (copies if both in COPIES else found).append([row.image, row.other, row.found_by, row.agreement])
    most = float(beta.ppf(0.95, len(found) + 1, pairs - len(found)))
    return {"pairs": pairs, "false": found, "shots of one scene": copies, "false rate below, at 95 %": most}


def recall(data: Path, name: str, store: Path, folder: Path, chosen: Mapping[str, float]) -> dict[str, Any]:
    """Alter 30 images of a set, and count how many are found as copies of their originals, and of others."""
    paths = files(data, name)
    paths = paths[:: max(1, len(paths) // COUNT)][:COUNT]
    for alteration, alter in {**TRIED, **HELD_OUT}.items():
        (folder / alteration).mkdir(parents=True)
        for path in paths:
            alter(picture(path)).save(folder / alteration / f"{path.stem}.png", compress_level=1)
    found = howfar.compare(data / name, [folder / each for each in (*TRIED, *HELD_OUT)], store=store, **QUICK)
    table = found.near_duplicates[found.near_duplicates["other_dataset"] == name]
    before, rows = peer([picture(path) for path in paths]), {}
    for alteration in (*TRIED, *HELD_OUT):
        pairs = table[table["dataset"] == alteration]
        right = [Path(row.image).stem == Path(row.other).stem for row in pairs.itertuples()]
        after = peer([picture(folder / alteration / f"{path.stem}.png") for path in paths])
        rows[alteration] = {
            "copies": len(paths),
            "found": sum(right),
            "of these by features": sum(one and by == "features" for one, by in zip(right, pairs["found_by"], strict=True)),
            "other pairs": len(right) - sum(right),
            "found by imagehash, 64 bits": int(((before == after).mean(axis=1) >= chosen["imagehash, 64 bits"]).sum()),
        }
    return rows


def seconds() -> dict[str, float]:
    """Time the search of 10,000 hashes for their best match among 100,000, in seconds of the processor."""
    rng = np.random.default_rng(0)
    a, b = (rng.choice(np.float32([-1, 1]), (count, 256)) for count in (10_000, 100_000))
    begun = time.process_time()
    best_match(a, b)
    return {"10,000 against 100,000 hashes": time.process_time() - begun}


if __name__ == "__main__":
    main()
