"""Show one example of each command at the end of its help, and the commands to see also."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("howfar demo --out howfar-demo",),
    "assess": ("howfar assess roads site-a site-b --model model.safetensors --out assessment",),
    "explain": ("howfar explain relative",),
    "compare": ("howfar compare roads site-a new=photos/2024 --limit 200 --out run",),
    "matrix": ("howfar matrix roads site-a site-b --out alike",),
    "evaluate": ("howfar evaluate site-a --predictions maps/site-a --tuned-on roads.parquet -o site-a.parquet",),
    "relate": ("howfar relate run --performance roads.parquet --performance site-a.parquet",),
    "select": ("howfar select run --dataset site-a -k 7 --strategy random",),
    "labels": ("howfar labels import coco.json --images site-a -o labelled",),
    "certify": ("howfar certify site-a --predictions maps/site-a -k 16 --out certificate",),
    "train": ("howfar train roads --model unetplusplus --epochs 20 -o model.safetensors",),
    "predict": ("howfar predict model.safetensors site-a -o maps/site-a",),
    "corrupt": ("howfar corrupt roads -o corrupted --model model.safetensors",),
    "adapt": ("howfar adapt roads site-a site-b --shots 0,1,3,7 -o adapted",),
    "prompts": ("howfar prompts points site-a -o prompted",),
    "profile": ("howfar profile roads --performance roads.parquet -o roads.howfar",),
    "score": ("howfar score roads.howfar new/0001.jpg site-a --json",),
    "check": ("howfar check roads.howfar new --rules rules.yaml",),
    "embed": ("howfar embed roads site-a --backbone dinov2",),
    "backbones": ("howfar backbones --json",),
    "strategies": ("howfar strategies --json",),
    "study": ("howfar study study.toml --out run",),
    "data": ("howfar data cfd CFD",),
    "store": ("howfar store check features",),
    "export": ("howfar export roads site-a --to lance -o features.lance",),
    "report": ("howfar report run",),
    "explore": ("howfar explore run --port 8000",),
}
"""By command: lines to type, with folders and files of one's own."""
SEE_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("assess", "compare"),
    "assess": ("compare", "evaluate", "relate", "certify"),
    "explain": ("compare", "relate"),
    "compare": ("matrix", "relate", "select", "explore"),
    "matrix": ("compare",),
    "evaluate": ("relate", "predict", "certify"),
    "relate": ("compare", "evaluate", "select"),
    "select": ("strategies", "labels", "explore"),
    "labels": ("select", "evaluate", "train"),
    "certify": ("evaluate", "assess"),
    "train": ("predict", "evaluate", "adapt"),
    "predict": ("train", "evaluate"),
    "corrupt": ("evaluate", "relate"),
    "adapt": ("train", "select", "strategies"),
    "prompts": ("predict", "evaluate"),
    "profile": ("score", "check"),
    "score": ("profile", "check"),
    "check": ("profile", "score"),
    "embed": ("backbones", "compare", "store", "export"),
    "backbones": ("compare", "embed"),
    "strategies": ("select", "adapt"),
    "study": ("report", "compare"),
    "data": ("compare", "study"),
    "store": ("embed", "compare"),
    "export": ("embed", "compare"),
    "report": ("compare", "explore"),
    "explore": ("compare", "select"),
}
"""By command: others of use before, after or instead."""
