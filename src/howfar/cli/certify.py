"""Certify a model on a site by few labels, drawn at random and handed out to be labelled (`howfar certify`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import options
from howfar.cli.terminal import print_json, print_paths, print_result, report_in
from howfar.keywords import CertifyOptions

if TYPE_CHECKING:
    from howfar.results.certificate import Certificate


@options.command(CertifyOptions)
def certify(
    site: Annotated[str, typer.Argument(metavar="SITE", help=options.DATASET)],
    predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Certify the model of these probability maps, named as the images.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="Draw this many images; by default 16.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Read labels there: masks, a table image, label, or an export of COCO, CVAT or Label Studio.",
        ),
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Predict performance by this profile, for narrower intervals.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="Make the maps by this checkpoint, or refuse a sample that it learnt from."),
    ] = None,
    tuned_on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the best threshold of this evaluation (PRIMARY's).")
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take the sample of this certificate, of another model on the same images."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Keep sample and labels in this folder; by default certify-SITE."),
    ] = None,
    json: options.Json = False,
    **chosen: Unpack[CertifyOptions],
) -> None:
    """Draw images of SITE to label, and from their labels say what the model reaches there, whatever the shift.

    The first run draws and writes what is to be labelled; the same command again takes the labels and says what they show.
    """
    from howfar.cli.select import folder_name
    from howfar.data import parse
    from howfar.studies.certification.certify import certify as study

    dataset = parse(site)
    folder = out or Path(f"certify-{folder_name(dataset.name)}")
    beside = {"profile": profile, "model": model, "tuned_on": tuned_on, "sample": sample}
    certificate = study(dataset, predictions, k, labels=labels, out=folder, **beside, **chosen)
    if json:
        print_json(certificate.to_dict())
    else:
        show(certificate, folder)


def show(certificate: Certificate, folder: Path) -> None:
    """Print the sample with its labels, what they show, what to label next, and where the files lie."""
    to = print_result(certificate)
    for line in certificate.remarks():
        to.print(line, markup=False)
    files = {"to label": folder / "chosen.txt", **_places(certificate, folder), "report": report_in(folder)}
    if certificate.labelled == len(certificate.sample):
        files = {"report": report_in(folder)}
    print_paths(to, {"certificate": folder / certificate.DOCUMENT, **files})


def _places(certificate: Certificate, folder: Path) -> dict[str, Path]:
    """Say where labels are looked for."""
    if certificate.task == "classification":
        return {"fill in": folder / "labels.csv"}
    return {"boxes go to": folder / "labels.json"} if certificate.task == "detection" else {"masks go to": folder / "masks"}
