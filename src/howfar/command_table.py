"""List all commands of the command line (`COMMANDS`), each with its function, help group, example and related commands."""

from typing import Final, NamedTuple


class Command(NamedTuple):
    """Hold a command: the module of its function in `howfar.cli`, an example's words after its name, and related commands."""

    name: str
    module: str
    example: str
    see_also: str


COMMANDS: Final[dict[str, tuple[Command, ...]]] = {
    "Begin here": (
        Command("demo", "demo", "--out howfar-demo", "assess compare"),
        Command(
            "assess",
            "performance",
            "roads site-a site-b --model model.safetensors --out assessment",
            "compare evaluate relate certify",
        ),
        Command("explain", "catalogue", "relative", "compare relate"),
    ),
    "Distance": (
        Command("compare", "distance", "roads site-a new=photos/2024 --limit 200 --out run", "matrix relate select explore"),
        Command("matrix", "distance", "roads site-a site-b --out alike", "compare"),
        Command("embed", "feature", "roads site-a --backbone dinov2", "backbones compare store export"),
        Command("backbones", "catalogue", "--json", "compare embed"),
    ),
    "Performance": (
        Command(
            "evaluate",
            "performance",
            "site-a --predictions maps/site-a --tuned-on roads.parquet -o site-a.parquet",
            "relate predict certify",
        ),
        Command(
            "relate", "performance", "run --performance roads.parquet --performance site-a.parquet", "compare evaluate select"
        ),
        Command("certify", "performance", "site-a --predictions maps/site-a -k 16 --out certificate", "evaluate assess"),
        Command("verify", "performance", "certificate --predictions maps/site-a --images site-a", "certify check"),
        Command("corrupt", "performance", "roads -o corrupted --model model.safetensors", "evaluate relate"),
    ),
    "Look, choose and label": (
        Command("select", "choosing_and_labelling", "run --dataset site-a -k 7 --strategy random", "strategies labels explore"),
        Command("labels", "choosing_and_labelling", "import coco.json --images site-a -o labelled", "select evaluate train"),
        Command("prelabel", "choosing_and_labelling", "certify-site-a --port 9090", "select certify labels"),
        Command("strategies", "catalogue", "--json", "select adapt"),
        Command("explore", "choosing_and_labelling", "run --port 8000", "compare select"),
    ),
    "New images as they arrive": (
        Command("profile", "profile", "roads --performance roads.parquet -o roads.howfar", "score check fuse"),
        Command("score", "profile", "roads.howfar new/0001.jpg site-a --json", "profile check"),
        Command("fuse", "profile", "model.onnx roads.howfar -o both.onnx", "profile score"),
        Command("check", "profile", "roads.howfar new --rules rules.yaml", "profile score watch"),
        Command("watch", "profile", "incoming --profile roads.howfar --rules rules.yaml --out watched", "check score"),
    ),
    "Train and predict": (
        Command("train", "train_and_predict", "roads --model unetplusplus --epochs 20 -o model.safetensors", "predict adapt"),
        Command("predict", "train_and_predict", "model.safetensors site-a -o maps/site-a", "train evaluate"),
        Command("adapt", "train_and_predict", "roads site-a site-b --shots 0,1,3,7 -o adapted", "train select strategies"),
        Command("prompts", "train_and_predict", "points site-a -o prompted", "predict evaluate"),
    ),
    "Studies and reports": (
        Command("study", "study_report_bench_mcp", "study.toml --out run", "report compare"),
        Command("report", "study_report_bench_mcp", "run", "compare explore card"),
        Command("card", "study_report_bench_mcp", "assessment -o README.md", "assess certify report"),
        Command("bench", "study_report_bench_mcp", "method.py howfar mean", "assess certify"),
        Command("mcp", "study_report_bench_mcp", "howfar-runs", "assess explain"),
    ),
    "Data and stored features": (
        Command("data", "catalogue", "cfd CFD", "compare study"),
        Command("store", "feature", "check features", "embed compare"),
        Command("export", "feature", "roads site-a --to lance -o features.lance", "embed compare"),
    ),
}
"""Commands by their heads, in the order of the help."""
COMMON: Final = {
    "assess": "model predictions out task truth threshold tau limit store json",
    "certify": "predictions k labels out profile model task until plan json",
    "select": "dataset k strategy predictions labelled picked to with_images out json",
    "check": "rules start predictions certificate performance keep junit store device json",
    "watch": "profile rules out once every predictions prometheus store device json",
}
"""The parameters of the options that ``--help`` lists of commands with many."""
HEADS: Final = {each.name: head for head, entries in COMMANDS.items() for each in entries}
ENTRIES: Final = {each.name: each for entries in COMMANDS.values() for each in entries}
TARGETS: Final = {name: f"howfar.cli.{entry.module}_commands:{name}" for name, entry in ENTRIES.items()}
