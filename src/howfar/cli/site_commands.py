"""Estimate scores on new sites (`howfar assess`), measure scores by few labels (`certify`), check certificates (`verify`)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from howfar.cli import flags, terminal
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import AssessOptions, CertifyOptions, VerifyOptions

if TYPE_CHECKING:
    from howfar.results.assessment_result import Assessment
    from howfar.results.certificate_result import Certificate


HOME = "Its labelled images that the model did not learn from give its score at home."


@flags.command(AssessOptions)
def assess(
    primary: Annotated[str, flags.argument("PRIMARY", f"What the model was trained on. {HOME} {flags.IMAGES}")],
    sites: Annotated[list[str], flags.argument("SITE", "New images, one site or more; labelled sites improve the estimates.")],
    model: flags.Model = None,
    predictions: Annotated[
        Path | None, flags.value("DIR", "Read maps in DIR/NAME (-flipped, -tiled), or DIR/NAME.csv, .json.")
    ] = None,
    out: Annotated[Path | None, flags.value("RUN", "Write this run folder; by default assess-PRIMARY.", "--out", "-o")] = None,
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[AssessOptions],
) -> None:
    """Estimate what a model will score on each SITE, with an interval, reasons and the next step."""
    from howfar.cli.labelling_commands import folder_name
    from howfar.data import parse
    from howfar.studies.assessment.assess import assess as study

    run = out or Path(f"assess-{folder_name(parse(primary).name)}")
    assessment = study(primary, sites, run, model=model, predictions=predictions, backbone=backbone, **chosen)
    terminal.tell_reading(assessment.reading)
    terminal.answer(assessment, json, show_assessment, run / "report.html")


def show_assessment(assessment: Assessment, page: Path) -> None:
    """Print each site's answer and next step, warnings first, the numbers, the notes, and the report's path."""
    to = terminal.console()
    to.print(assessment.caption(), style="bold")
    if assessment.first:
        to.print(assessment.first)
    for site in assessment.ordered():
        if site.measured is not None:
            to.print(f"{site.answer} Next: {site.next.text}")
        else:
            to.print(site.answer, style="bold" if site.inside is False else None)
            to.print(f"  Next: {site.next.text}")
        if site.measured is None or site.next.action == "label":
            terminal.say(f"    {site.next.command}")
    terminal.print_table(to, *assessment.table())
    for line in assessment.legend():
        to.print(line)
    terminal.print_remarks([f"note: {note}" for note in assessment.notes])
    terminal.print_paths({"report": page, "all images": shlex.join(("howfar", "explore", str(page.parent)))})


@flags.command(CertifyOptions)
def certify(
    site: Annotated[str, flags.argument("SITE", flags.DATASET)],
    predictions: Annotated[Path | None, flags.value("DIR", "Certify the model of these maps, named as the images.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="Draw this many images; by default 16.")] = None,
    labels: Annotated[
        Path | None, flags.value("DIR|FILE", "Read masks, a table image, label, or an export of a labelling tool.")
    ] = None,
    against: Annotated[
        Path | None, flags.value("DIR", "Ask whether the model is better than the one of these predictions, as --predictions.")
    ] = None,
    profile: Annotated[Path | None, flags.value("FILE", "Predict performance by this profile, for narrower intervals.")] = None,
    model: Annotated[Path | None, flags.value("CKPT", "Make maps with this checkpoint; refuse its training images.")] = None,
    tuned_on: flags.TunedOn = None,
    sample: Annotated[Path | None, flags.value("FILE", "Use this certificate's sample, for another model.")] = None,
    out: Annotated[Path | None, flags.value("DIR", "Keep all in this folder; by default certify-SITE.", "--out", "-o")] = None,
    to: flags.LabellingAddress = None,
    plan: Annotated[bool, typer.Option("--plan", help="Predict how many labels are needed; draw nothing.")] = False,
    json: flags.Json = False,
    **chosen: Unpack[CertifyOptions],
) -> None:
    """Draw images of SITE to label, and measure with these labels what the model scores there, whatever the shift.

    The first run draws the images to label; the same command again reads the labels and reports the score.
    """
    from howfar.cli.labelling_commands import folder_name
    from howfar.data import parse
    from howfar.studies.certification.certify import certify as study

    dataset = parse(site)
    if plan:
        from howfar.studies.certification.certify import plan_labels

        terminal.answer(plan_labels(dataset, predictions, profile=profile, **chosen), json, terminal.print_result)
        return
    send = flags.handing_over(to)
    folder = out or Path(f"certify-{folder_name(dataset.name)}")
    beside = {"against": against, "profile": profile, "model": model, "tuned_on": tuned_on, "sample": sample}
    certificate = study(dataset, predictions, k, labels=labels, out=folder, **beside, **chosen)
    terminal.answer(certificate, json, show_certificate, folder)
    send(folder)


@flags.command(VerifyOptions)
def verify(
    certificate: Annotated[Path, flags.argument("CERTIFICATE", "A certificate.json, or the folder that holds it.")],
    predictions: Annotated[Path | None, flags.value("DIR", "Compare the model's predictions with those that it names.")] = None,
    images: Annotated[str | None, flags.value("DIR", "Compare the site's images with those that it names.")] = None,
    labels: Annotated[Path | None, flags.value("DIR|FILE", "Measure again by these labels.")] = None,
    against: Annotated[
        Path | None, flags.value("DIR", "Compare the second model's predictions with those that it names.")
    ] = None,
    json: flags.Json = False,
    **chosen: Unpack[VerifyOptions],
) -> None:
    """Verify a certificate: draw and compute again, and say what agrees, what differs, and what could not be checked."""
    from howfar.studies.certification.verify_certificate import verify as study

    found = study(certificate, predictions, images=images, labels=labels, against=against, **chosen)
    terminal.answer(found, json, terminal.print_result)
    if not found.agrees:
        raise typer.Exit(1)


def show_certificate(certificate: Certificate, folder: Path) -> None:
    """Print the sample with its labels, the certified value, the next images to label, and the files' paths."""
    to = terminal.print_result(certificate)
    for line in certificate.remarks():
        to.print(line)
    places = {"classification": ("fill in", "labels.csv"), "detection": ("boxes go to", "labels.json")}
    what, place = places.get(certificate.task, ("masks go to", "masks"))
    files = {"to label": folder / "chosen.txt", what: folder / place, "report": terminal.report_in(folder)}
    if certificate.labelled == len(certificate.sample):
        files = {"report": terminal.report_in(folder)}
    zone = {"zone": folder / "zone.txt"} if certificate.zone is not None and certificate.zone.certified else {}
    terminal.print_paths({"certificate": folder / certificate.DOCUMENT, **zone, **files})
