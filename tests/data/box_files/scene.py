"""Three small pictures with boxes, written in every format of true and of predicted boxes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from howfar.data import Dataset

WIDTH, HEIGHT = 80, 40
NAMES = ("road", "car")
TRUE: dict[str, list[tuple[str, tuple[float, ...]]]] = {
    "1.jpg": [("car", (8, 4, 24, 20)), ("road", (0, 20, 80, 40))],
    "2.jpg": [("car", (40, 10, 60, 30))],
    "3.jpg": [],
}
PREDICTED: dict[str, list[tuple[str, tuple[float, ...], float]]] = {
    "1.jpg": [("car", (8, 4, 24, 18), 0.9), ("road", (0, 0, 10, 10), 0.4)],
    "2.jpg": [("road", (40, 10, 60, 30), 0.8)],
    "3.jpg": [],
}
Write = Callable[[Path], Path]


def pictures(folder: Path) -> Dataset:
    (folder / "site" / "images").mkdir(parents=True)
    for name in TRUE:
        Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(folder / "site" / "images" / name)
    return Dataset.from_folder(folder / "site")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _yolo_line(label: str, box: tuple[float, ...], *score: float) -> str:
    left, top, right, bottom = box
    shares = ((left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT)
    return " ".join(map(str, (NAMES.index(label), *shares, *score)))


def _extent(box: tuple[float, ...]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def coco(folder: Path) -> Path:
    images = [{"id": 10 + k, "file_name": f"val/{name}", "width": WIDTH, "height": HEIGHT} for k, name in enumerate(TRUE)]
    rows = [(10 + k, label, box) for k, boxes in enumerate(TRUE.values()) for label, box in boxes]
    annotations: list[dict[str, Any]] = [
        {"id": n, "image_id": image, "category_id": 1 + NAMES.index(label), "bbox": _extent(box), "iscrowd": 0}
        for n, (image, label, box) in enumerate(rows)
    ]
    categories = [{"id": 1 + k, "name": name} for k, name in enumerate(NAMES)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    return written(folder / "instances.json", json.dumps(document))


def yolo(folder: Path) -> Path:
    for name, boxes in TRUE.items():
        if boxes:
            written(folder / "labels" / f"{Path(name).stem}.txt", "\n".join(_yolo_line(*box) for box in boxes) + "\n")
    written(folder / "data.yaml", "path: .\nnames:\n  0: road\n  1: car\n")
    return folder / "labels"


def voc(folder: Path) -> Path:
    for name, boxes in TRUE.items():
        objects = "".join(
            f"<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for label, (left, top, right, bottom) in boxes
        )
        written(folder / "xml" / f"{Path(name).stem}.xml", f"<annotation><filename>{name}</filename>{objects}</annotation>")
    return folder / "xml"


def true_table(folder: Path) -> Path:
    rows = [(name, label, *box) for name, boxes in TRUE.items() for label, box in boxes]
    rows += [("3.jpg", "", *[float("nan")] * 4)]
    frame = pd.DataFrame(rows, columns=["filename", "pred", "xmin", "ymin", "xmax", "ymax"])
    frame.to_csv(folder / "true.csv", index=False)
    return folder / "true.csv"


def own_truth(folder: Path) -> Path:
    entries = [
        {"image": name, "boxes": [box for _, box in boxes], "labels": [label for label, _ in boxes]}
        for name, boxes in TRUE.items()
    ]
    return written(folder / "true.json", json.dumps(entries))


def coco_results(folder: Path) -> Path:
    rows = [
        {"image_id": 10 + k, "category_id": 1 + NAMES.index(label), "bbox": _extent(box), "score": score}
        for k, boxes in enumerate(PREDICTED.values())
        for label, box, score in boxes
    ]
    return written(folder / "results.json", json.dumps(rows))


def yolo_predictions(folder: Path) -> Path:
    for name, boxes in PREDICTED.items():
        if boxes:
            written(folder / "predict" / "labels" / f"{Path(name).stem}.txt", "\n".join(_yolo_line(*box) for box in boxes))
    return folder / "predict" / "labels"


def ultralytics(folder: Path) -> Path:
    for name, boxes in PREDICTED.items():
        rows = [
            {
                "name": label,
                "class": NAMES.index(label),
                "confidence": score,
                "box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
            }
            for label, box, score in boxes
        ]
        written(folder / "json" / f"{Path(name).stem}.json", json.dumps(rows))
    return folder / "json"


def torchvision(folder: Path) -> Path:
    outputs = {
        name: {
            "boxes": [box for _, box, _ in boxes],
            "labels": [1 + NAMES.index(label) for label, *_ in boxes],
            "scores": [score for *_, score in boxes],
        }
        for name, boxes in PREDICTED.items()
    }
    return written(folder / "outputs.json", json.dumps(outputs))


def predicted_table(folder: Path) -> Path:
    rows = [(name, label, *box, score) for name, boxes in PREDICTED.items() for label, box, score in boxes]
    frame = pd.DataFrame(rows, columns=["filename", "pred", "xmin", "ymin", "xmax", "ymax", "prob"])
    frame.to_parquet(folder / "predicted.parquet")
    return folder / "predicted.parquet"


COLUMNS = "image=filename,label=pred,score=prob,x0=xmin,y0=ymin,x1=xmax,y1=ymax"
TRUTHS: dict[str, Write] = {"coco": coco, "yolo": yolo, "voc": voc, "table": true_table, "own": own_truth}
PREDICTIONS: dict[str, Write] = {
    "coco_results": coco_results,
    "yolo": yolo_predictions,
    "ultralytics": ultralytics,
    "torchvision": torchvision,
    "table": predicted_table,
}
