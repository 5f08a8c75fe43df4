"""`howfar report`: draw the figures and the report of a run or a study again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A folder that `howfar compare --out` or `howfar adapt` wrote.")],
) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar import registry

    if (run / "adaptation.json").is_file():
        from howfar.results.adaptation import Adaptation

        page = registry.load("reports", "adaptation")(Adaptation.load(run), run)
    elif (run / "backbones.json").is_file():
        from howfar.results.backbones import BackboneComparison

        page = registry.load("reports", "backbones")(BackboneComparison.load(run), run)
    elif (run / "prompting.json").is_file():
        from howfar.results.prompting import Prompting

        page = registry.load("reports", "prompting")(Prompting.load(run), run)
    else:
        from howfar.results import Comparison

        page = registry.load("reports", "html")(Comparison.load(run), run)
    typer.echo(page)
