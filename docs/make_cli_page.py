"""Write docs/reference/cli.md from the command line itself; with --check, fail where the page is not current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
from generated_page import leave

from howfar.cli.main import app

PAGE = Path(__file__).parent / "reference" / "cli.md"
HEAD = """# Command line

Results go to stdout, progress and errors to stderr. Exit code 0; 2 with one clear line for bad input; 1 for a failure; 130 when
interrupted, in which case the same command goes on where it was. `howfar check` alone also ends with 3 for a broken rule and 4
for an undecided one. A dataset is a folder of images, a folder with `images/` and
optionally `masks/`, `NAME=PATH`, a CSV or Parquet table with columns image[, mask, label], images in `.tar` shards, Parquet or
Arrow files, a Hugging Face dataset (a saved folder, or `hf://owner/name`), the URL of any of these (`s3://` …), or ready-made
embeddings (`.npy`, or Parquet with a column `embedding`); [each in detail](../howto/datasets.md).
"""


def page() -> str:
    group = typer.main.get_command(app)
    with group.make_context("howfar", ["backbones"]) as context:
        return "\n".join([HEAD, *(section(name, command, context) for name, command in group.commands.items())])


def section(name: str, command: Any, context: typer.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [row(parameter) for parameter in command.params]
    table = ["| argument | meaning | default |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"## howfar {name}", "", command.help or "", "", f"    howfar {name} {usage}", "", *table, ""])


def row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names, default = (
            f"`{(parameter.metavar or parameter.name).upper().rstrip('.') + ('...' if parameter.nargs == -1 else '')}`",
            "required" if parameter.required else "",
        )
    else:
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        default = default_of(parameter)
    meaning = f"{getattr(parameter, 'help', None) or ''}{choices(parameter)}"
    return f"| {names} | {meaning.replace('|', chr(92) + '|')} | {default} |"


def choices(parameter: Any) -> str:
    """Say which words a parameter may be, where the terminal shows them beside its name."""
    shown = parameter.metavar or ""
    return f" One of {', '.join(shown.strip('<>').split('|'))}." if shown.startswith("<") and "|" in shown else ""


def default_of(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default == "":
        return ""
    if not option.is_flag:
        return f"`{option.default}`"
    if not option.secondary_opts:
        return "off"
    return f"`{(option.opts if option.default else option.secondary_opts)[0]}`"


def main() -> int:
    return leave(__doc__, {PAGE: page})


if __name__ == "__main__":
    sys.exit(main())
