"""List all commands of the command line (`COMMANDS`), each with its function, help group, example and related commands."""

from typing import Final, NamedTuple


class CommandEntry(NamedTuple):
    """Hold a command: module and function in `howfar.cli`, the words of an example after its name, and commands to see also.

    `common` names the parameters of the options that ``--help`` lists, where a command has many.
    """

    name: str
    target: str
    example: str
    see_also: str
    common: str = ""


COMMANDS: Final[dict[str, tuple[CommandEntry, ...]]] = {
    "Begin here": (
        CommandEntry("demo", "demo_command:demo", "--out howfar-demo", "assess compare"),
        CommandEntry(
            "assess",
            "site_commands:assess",
            "roads site-a site-b --model model.safetensors --out assessment",
            "compare evaluate relate certify",
            "model predictions out task truth threshold tau limit store json",
        ),
        CommandEntry("explain", "catalogue_commands:explain", "relative", "compare relate"),
    ),
    "Distance": (
        CommandEntry(
            "compare",
            "distance_and_relation_commands:compare",
            "roads site-a new=photos/2024 --limit 200 --out run",
            "matrix relate select explore",
        ),
        CommandEntry("matrix", "distance_and_relation_commands:matrix", "roads site-a site-b --out alike", "compare"),
        CommandEntry("embed", "feature_commands:embed", "roads site-a --backbone dinov2", "backbones compare store export"),
        CommandEntry("backbones", "catalogue_commands:backbones", "--json", "compare embed"),
    ),
    "Performance": (
        CommandEntry(
            "evaluate",
            "evaluate_commands:evaluate",
            "site-a --predictions maps/site-a --tuned-on roads.parquet -o site-a.parquet",
            "relate predict certify",
        ),
        CommandEntry(
            "relate",
            "distance_and_relation_commands:relate",
            "run --performance roads.parquet --performance site-a.parquet",
            "compare evaluate select",
        ),
        CommandEntry(
            "certify",
            "site_commands:certify",
            "site-a --predictions maps/site-a -k 16 --out certificate",
            "evaluate assess",
            "predictions k labels out profile model task until plan json",
        ),
        CommandEntry(
            "verify", "site_commands:verify", "certificate --predictions maps/site-a --images site-a", "certify check"
        ),
        CommandEntry("corrupt", "evaluate_commands:corrupt", "roads -o corrupted --model model.safetensors", "evaluate relate"),
    ),
    "Look, choose and label": (
        CommandEntry(
            "select",
            "labelling_commands:select",
            "run --dataset site-a -k 7 --strategy random",
            "strategies labels explore",
            "dataset k strategy predictions labelled picked to with_images out json",
        ),
        CommandEntry(
            "labels", "labelling_commands:labels", "import coco.json --images site-a -o labelled", "select evaluate train"
        ),
        CommandEntry("prelabel", "labelling_commands:prelabel", "certify-site-a --port 9090", "select certify labels"),
        CommandEntry("strategies", "catalogue_commands:strategies", "--json", "select adapt"),
        CommandEntry("explore", "report_commands:explore", "run --port 8000", "compare select"),
    ),
    "New images as they arrive": (
        CommandEntry(
            "profile", "profile_commands:profile", "roads --performance roads.parquet -o roads.howfar", "score check fuse"
        ),
        CommandEntry("score", "profile_commands:score", "roads.howfar new/0001.jpg site-a --json", "profile check"),
        CommandEntry("fuse", "profile_commands:fuse", "model.onnx roads.howfar -o both.onnx", "profile score"),
        CommandEntry(
            "check",
            "profile_commands:check",
            "roads.howfar new --rules rules.yaml",
            "profile score watch",
            "rules start predictions certificate performance keep junit store device json",
        ),
        CommandEntry(
            "watch",
            "profile_commands:watch",
            "incoming --profile roads.howfar --rules rules.yaml --out watched",
            "check score",
            "profile rules out once every predictions prometheus store device json",
        ),
    ),
    "Train and predict": (
        CommandEntry(
            "train",
            "train_commands:train",
            "roads --model unetplusplus --epochs 20 -o model.safetensors",
            "predict evaluate adapt",
        ),
        CommandEntry("predict", "train_commands:predict", "model.safetensors site-a -o maps/site-a", "train evaluate"),
        CommandEntry(
            "adapt", "train_commands:adapt", "roads site-a site-b --shots 0,1,3,7 -o adapted", "train select strategies"
        ),
        CommandEntry("prompts", "evaluate_commands:prompts", "points site-a -o prompted", "predict evaluate"),
    ),
    "Studies and reports": (
        CommandEntry("study", "report_commands:study", "study.toml --out run", "report compare"),
        CommandEntry("report", "report_commands:report", "run", "compare explore card"),
        CommandEntry("card", "report_commands:card", "assessment -o README.md", "assess certify report"),
        CommandEntry("bench", "report_commands:bench", "method.py howfar mean", "assess certify"),
        CommandEntry("mcp", "report_commands:mcp", "howfar-runs", "assess explain"),
    ),
    "Data and stored features": (
        CommandEntry("data", "catalogue_commands:data", "cfd CFD", "compare study"),
        CommandEntry("store", "feature_commands:store", "check features", "embed compare"),
        CommandEntry("export", "feature_commands:export", "roads site-a --to lance -o features.lance", "embed compare"),
    ),
}
"""Commands by their heads, in the order of the help."""
HEADS: Final = {each.name: head for head, entries in COMMANDS.items() for each in entries}
ENTRIES: Final = {each.name: each for entries in COMMANDS.values() for each in entries}
TARGETS: Final = {name: f"howfar.cli.{entry.target}" for name, entry in ENTRIES.items()}
