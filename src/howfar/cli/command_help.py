"""Write the help of `howfar` and of each command: commands and options under heads, an example, commands to see also."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator


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


FIRST: Final = "Options"
"""The head of what one command alone has."""
OUTPUT: Final = "Output and defaults"
TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    FIRST: ("out", "model", "backbone", "by", "map"),
    "Distance": ("components", "projection", "scale", "neighbours", "rivals", "baselines", "limit", "leaks"),
    "Performance": (
        *("task", "metric", "threshold", "retune", "foreground", "tolerance", "tau", "flat", "iou", "min_score"),
        *("estimator", "until", "predictions", "flipped", "ensemble", "tiles", "truth", "partial", "learnt", "corrupted"),
        *("only",),
        *("columns", "classes", "ignore_index"),
    ),
    "How sure it is": ("seed", "bootstrap", "permutations", "level", "error_rate"),
    "Photographs and labels": ("group", "label_names", "with_images", "complete"),
    "Few labels": (
        *("shots", "strategies", "seeds", "random_seeds", "pool_share", "background_shots", "without_labels"),
        *("adapt", "share"),
    ),
    "Training": (
        *("epochs", "batch", "steps", "loss", "schedule", "rate", "decay", "augment", "rescale", "balance"),
        *("holdout", "patience", "keep", "tune"),
    ),
    "Network": (
        *("options", "pretrained", "size", "tiled", "mean", "std", "output", "channel", "reading"),
        *("weights", "pool", "fit", "via", "backbone_option", "precision"),
    ),
    "Prompts": ("texts", "foreground_points", "background_points", "sam", "clipseg"),
    "Where it runs": ("device", "runner", "address", "workers", "batch_size", "memory", "store", "allow_urls", "log"),
    OUTPUT: ("every", "json", "quiet", "verbose", "config", "help"),
}
ORDER: Final = ("Arguments", *TOPICS)
_HEADS: Final = {name: topic for topic, names in TOPICS.items() for name in names}


def topic_of(option: str) -> str:
    """Return the head of an option by its name in Python; that of a command's own options for what is in no topic.

    Examples
    --------
    >>> topic_of("bootstrap"), topic_of("picked")
    ('How sure it is', 'Options')
    """
    return _HEADS.get(option, FIRST)


OTHERS = "Of other packages"
HEADS: Mapping[str, tuple[str, ...]] = {
    "Begin here": ("demo", "assess", "explain"),
    "Distance": ("compare", "matrix", "embed", "backbones"),
    "Performance": ("evaluate", "relate", "corrupt", "certify"),
    "Look, choose and label": ("explore", "strategies", "select", "labels"),
    "New images as they arrive": ("profile", "score", "check"),
    "Train and predict": ("train", "predict", "adapt", "prompts"),
    "Studies and reports": ("study", "report"),
    "Data and stored features": ("data", "store", "export"),
}


def head_of(command: str) -> str:
    """Return the head that a command of howfar stands under, and one of its own for those of other packages.

    Examples
    --------
    >>> head_of("compare"), head_of("greet")
    ('Distance', 'Of other packages')
    """
    return next((head for head, names in HEADS.items() if command in names), OTHERS)


class HeadedGroup(TyperGroup):
    """Write commands under their heads (typer's `rich_help_panel`) in plain text; typer does that in boxes alone."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a head, in the order of `HEADS`; a head without commands has none."""
        width = max(map(len, self.list_commands(ctx)), default=0)
        for head in (*HEADS, OTHERS):
            if rows := list(self._rows(ctx, head)):
                with formatter.section(head):
                    formatter.write_dl([(name.ljust(width), sentence) for name, sentence in rows])

    def _rows(self, ctx: Any, head: str) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden and getattr(command, "rich_help_panel", OTHERS) == head:
                yield name, (command.help or "").partition("\n\n")[0].replace("\n", " ")


LONG = 10
"""Options from which on they stand under heads."""
CHANNELS: Final = 3
_NUMBER: Final = re.compile(r"-?[0-9.]+(?:e-?[0-9]+)?")


class ToldCommand(TyperCommand):
    """Write options under the heads of their topics in plain text, where there are many; typer does that in boxes alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read --mean and --std as three words too, as 0.1.0 did."""
        return list(super().parse_args(ctx, joined_channels(args)))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for the arguments, and one a topic, in the order of `howfar.cli.command_help`."""
        sections: dict[str, list[tuple[str, str]]] = {}
        parameters = self.get_params(ctx)
        long = sum(parameter.param_type_name == "option" for parameter in parameters) >= LONG
        for parameter in parameters:
            if (record := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(_head(parameter, long), []).append(record)
        for head in sorted(sections, key=lambda head: (head not in ORDER, ORDER.index(head) if head in ORDER else 0)):
            with formatter.section(head):
                formatter.write_dl(sections[head])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write an example, and the commands to see also."""
        name = self.name or ""
        if name in EXAMPLES:
            with formatter.section("Example"):
                for line in EXAMPLES[name]:
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")
        if name in SEE_ALSO:
            with formatter.section("See also"):
                formatter.write_text(", ".join(f"howfar {other}" for other in SEE_ALSO[name]))


def joined_channels(arguments: Sequence[str]) -> list[str]:
    """Join up to three numbers behind --mean and --std to one word.

    Examples
    --------
    >>> joined_channels(["--mean", "0.5", "0.4", "0.3", "--std", "1,1,1", "2"])
    ['--mean', '0.5,0.4,0.3', '--std', '1,1,1', '2']
    """
    words: list[str] = []
    room = 0
    for word in arguments:
        number = _NUMBER.fullmatch(word) is not None
        if number and 0 < room < CHANNELS:
            words[-1] += f",{word}"
        else:
            words.append(word)
        room = CHANNELS if word in ("--mean", "--std") else room - 1 if number else 0
    return words


def _head(parameter: Any, long: bool) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return topic_of(parameter.name) if long else FIRST
