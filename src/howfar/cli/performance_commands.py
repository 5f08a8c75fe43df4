"""Score a model on labelled, corrupted and new images (`howfar evaluate relate corrupt assess certify verify`)."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from howfar import options_by_function
from howfar.cli import flags, printing
from howfar.cli.flags import argument, switch, value
from howfar.errors import InputError
from howfar.formatting_and_escaping import format_number
from howfar.io.file_location import ready_file
from howfar.options import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Evaluation, Judgement, Relation
    from howfar.results.assessment_result import Assessment
    from howfar.results.certificate_result import Certificate
    from howfar.studies.corruption import CorruptedSets


ENDINGS = (".parquet", ".pq")


@flags.command(options_by_function.EvaluateOptions)
def evaluate(
    dataset: Annotated[str, argument("DATASET", "Images with masks: images/ and masks/, a table image, mask; NAME=PATH.")],
    predictions: Annotated[
        Path | None, value("DIR", "Score these maps (p = value / 255); for other tasks a table or JSON.")
    ] = None,
    model: Annotated[Path | None, value("CKPT", "Score this checkpoint or .onnx network; its maps are not kept.")] = None,
    tuned_on: flags.TunedOn = None,
    out: Annotated[Path | None, value("FILE", "Write this Parquet file.", "--out", "-o")] = None,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.EvaluateOptions],
) -> None:
    """Score the predictions of DATASET against its masks (ODS, OIS, AP, F of each image), labels or boxes."""
    from howfar.data.dataset_argument import location_and_name
    from howfar.io.untrusted_parquet import is_cut_short
    from howfar.results import Evaluation
    from howfar.studies.evaluate_predictions import evaluate as study

    if out is not None:
        # Before any work: only an evaluation may be replaced.
        if out.suffix.lower() not in ENDINGS:
            raise InputError.of("out", f"must end in {' or '.join(ENDINGS)}", str(out), "it is a Parquet table")
        ready_file("out", out)
        if out.exists():
            table = location_and_name(dataset)[0]
            own = isinstance(table, Path) and table.exists() and table.samefile(out)
            if own or not (Evaluation.is_in(out) or is_cut_short(out)):
                what = "the dataset's own table" if own else "what is no evaluation of howfar"
                raise InputError.of("out", f"must not replace {what}", str(out), "name another file, or move that one away")
    evaluation = study(dataset, predictions, model=model, tuned_on=tuned_on, **chosen)
    printing.tell_reading(evaluation.reading)
    if out is not None:
        evaluation.save(out)
    printing.answer(evaluation, json, _show_evaluation, out)


def _show_evaluation(evaluation: Evaluation, out: Path | None) -> None:
    """Print the scores, the reasons for left-out images and the place of their names; with --verbose a line per image."""
    from howfar.studies.evaluate_predictions import LEARNT

    printing.show(evaluation, {})
    kinds = Counter(file.reason.partition(" (")[0] for file in evaluation.skipped)
    where = "--json lists them" if out is None else f"names in {out}"
    single = [file for file in evaluation.skipped if kinds[file.reason.partition(" (")[0]] == 1]
    for kind, count in () if printing.Level.quiet or printing.Level.verbose else kinds.items():
        if count > 1 and not kind.startswith(LEARNT):  # a note already says so
            what = f"have {kind}: left out" if kind.startswith("no ") else f"were left out: {kind}"
            printing.say(f"{count} images {what} ({where})")
    if not printing.Level.quiet:
        printing.print_skipped(evaluation.skipped if printing.Level.verbose else single, where)
    printing.print_paths({"per image": out})


def show_judgements(to: Console, judgements: Sequence[Judgement], used: str | None, threshold: float | None) -> None:
    """Print a row for each estimator, with a star at the one in use: errors of "F" at a threshold, else of "performance"."""
    if not judgements:
        return
    rows = [
        (
            f"{judged.estimator} *" if judged.estimator == used else judged.estimator,
            judged.kind,
            str(judged.sets),
            format_number(judged.mae_set, 3),
            format_number(judged.mae_image, 3),
            "–" if judged.coverage is None else f"{100 * judged.coverage:.0f} %",
            format_number(judged.auroc, 3),
            format_number(judged.aurc, 3),
        )
        for judged in judgements
    ]
    header = ("estimator", "kind", "sets", "error, set", "error, image", "coverage", "AUROC", "AURC")
    to.print()
    what = "performance" if threshold is None else "F"
    to.print(f"Estimators, each dataset left out in turn ({what} without labels)", style="bold")
    printing.print_table(to, header, rows, ("kind", "AURC"))


IN_SENTENCES = ("slope [95 % CI]", "Spearman [95 % CI]")
"""Columns left out on a narrow terminal, since the sentences below repeat them."""


@flags.command(options_by_function.RelateOptions)
def relate(
    run: Annotated[Path, argument("RUN", "A folder that `howfar compare --out` wrote.")],
    performance: flags.Performance,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.RelateOptions],
) -> None:
    """Measure whether performance falls with distance in RUN, and estimate it for images without labels."""
    from howfar.studies.performance.relate_and_estimate import relate as study

    printing.answer(study(run, performance or (), **chosen), json, show_relation, run / "report.html")


def show_relation(relation: Relation, page: Path | None) -> None:
    """Print a relation's verdicts, estimators, estimates, slices and failure lists, and the report's path."""
    from howfar.report import estimates_report, probable_failures
    from howfar.results.relation_result import slice_table, too_small

    to = printing.print_result(relation, IN_SENTENCES)
    for dataset in relation.datasets:
        to.print(f"{dataset.name}: {dataset.verdict.text}")
    if relation.pooled_verdict is not None:
        to.print(f"all sets: {relation.pooled_verdict.text}", style="bold")
    show_judgements(to, relation.judgements, relation.estimator, relation.settings.threshold)

    # What each dataset is expected to score without its labels, and which of its images will probably fail.
    listed = {failures.dataset: failures for failures in relation.failures}
    for warning in relation.warnings():
        to.print(warning, style="bold")
    header = ("dataset", "estimator", "estimate [interval]", "gate", "measured", "listed as failing", "of them wrong")
    rows = []
    for expected in relation.estimates:
        failures, gate = listed.get(expected.dataset), relation.gate(expected.dataset)
        wrong = None if failures is None else failures.measured_error
        rows.append(
            (
                expected.dataset,
                expected.estimator,
                f"{expected.text(doubted=relation.doubted(expected))} at {100 * expected.level:.0f} %",
                "–" if gate is None or gate.inside is None else "inside" if gate.inside else "OUTSIDE",
                format_number(expected.measured, 3),
                "–" if failures is None or not failures.listed else f"{failures.listed} of {failures.n}",
                "–" if wrong is None else f"{100 * wrong:.0f} %",
            )
        )
    if rows:
        to.print()
        to.print("Mean performance expected without a set's labels", style="bold")
        printing.print_table(to, header, rows, ("of them wrong", "estimator"))

    printing.print_slices(to, slice_table(relation.slices), too_small(relation.slices))
    # The report's sentences on estimators and failure lists.
    findings = [estimates_report.lead(relation), estimates_report.in_use(relation), estimates_report.distance(relation)]
    if relation.estimates:
        findings += [probable_failures.found(relation), probable_failures.broken(relation), probable_failures.whole(relation)]
    printing.print_remarks([*filter(None, findings), *relation.remarks()])
    printing.print_paths({"report": page})


@flags.command(options_by_function.CorruptOptions)
def corrupt(
    primary: flags.LabelledPrimary,
    out: Annotated[Path, value("DIR", "Write each set to a folder in this folder.", "--out", "-o")],
    model: flags.Model = None,
    predict_command: Annotated[str | None, value("COMMAND", 'Predict by your command: "python my.py {images} {out}".')] = None,
    others: Annotated[list[str] | None, value("DATASET", "Draw textures from these images, not PRIMARY's; repeat it.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.CorruptOptions],
) -> None:
    """Make corrupted versions of PRIMARY's labelled images, and score a model on each; no other labels are needed."""
    from howfar.studies.corruption import corrupt as study

    sets = study(primary, out, model=model, predict_command=predict_command, others=others or None, **chosen)
    printing.tell_reading(sets.reading)
    if json:
        threshold = None if sets.own is None else sets.own.threshold
        skipped = [{"path": file.path, "reason": file.reason} for file in sets.skipped]
        beside = {"notes": list(sets.notes), "skipped": skipped}
        printing.print_json({"folder": str(sets.folder), "threshold": threshold, "datasets": _rows(sets), **beside})
        return
    to, own = printing.console(), sets.own
    at = "no predictions yet" if own is None else f"mean F at threshold {own.threshold:.2f}, tuned on the images as they are"
    line = f"{sets.primary.name}: {len(sets.primary)} labelled images in {len(sets.datasets)} corrupted sets; {at}"
    to.print(line, style="bold")
    rows = [(row["dataset"], str(row["n"]), str(row["scored"] or "–"), format_number(row["mean_f"])) for row in _rows(sets)]
    printing.print_table(to, ("dataset", "n", "scored", "mean F"), rows)
    printing.print_remarks([f"note: {note}" for note in sets.notes])
    printing.print_skipped(sets.skipped, "--json lists all")
    printing.print_paths({"sets": sets.folder})


def _rows(sets: CorruptedSets) -> list[dict[str, Any]]:
    """Build rows for the uncorrupted images and every corrupted set, with their scores."""
    evaluations = (*([] if sets.own is None else [sets.own]), *sets.evaluations)
    scores: dict[str, dict[str, Any]] = {
        each.dataset: {"scored": each.scored, "mean_f": each.scores["mean_f"], "performance": str(file)}
        for each, file in zip(evaluations, sets.files, strict=True)
    }
    blank = dict.fromkeys(("scored", "mean_f", "performance"))
    datasets = (sets.primary, *sets.datasets)
    return [{"dataset": each.name, "n": len(each), **scores.get(each.name, blank)} for each in datasets]


HOME = "Its labelled images that the model did not learn from give its score at home."


@flags.command(options_by_function.AssessOptions)
def assess(
    primary: Annotated[str, argument("PRIMARY", f"What the model was trained on. {HOME} {flags.IMAGES}")],
    sites: Annotated[list[str], argument("SITE", "New images, one site or more; labelled sites improve the estimates.")],
    model: flags.Model = None,
    predictions: Annotated[
        Path | None, value("DIR", "Read maps in DIR/NAME (-flipped, -tiled), or DIR/NAME.csv, .json.")
    ] = None,
    out: Annotated[Path | None, value("RUN", "Write this run folder; by default assess-PRIMARY.", "--out", "-o")] = None,
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.AssessOptions],
) -> None:
    """Estimate what a model will score on each SITE, with an interval, reasons and the next step."""
    from howfar.cli.choosing_and_labelling_commands import folder_name
    from howfar.data import parse
    from howfar.studies.assessment.assess_sites import assess as study

    run = out or Path(f"assess-{folder_name(parse(primary).name)}")
    assessment = study(primary, sites, run, model=model, predictions=predictions, backbone=backbone, **chosen)
    printing.tell_reading(assessment.reading)
    printing.answer(assessment, json, show_assessment, run / "report.html")


def show_assessment(assessment: Assessment, page: Path) -> None:
    """Print each site's answer and next step, warnings first, the numbers, the notes, and the report's path."""
    to = printing.console()
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
            printing.say(f"    {site.next.command}")
    printing.print_table(to, *assessment.table())
    for line in assessment.legend():
        to.print(line)
    printing.print_remarks([f"note: {note}" for note in assessment.notes])
    printing.print_paths({"report": page, "all images": shlex.join(("howfar", "explore", str(page.parent)))})


@flags.command(options_by_function.CertifyOptions)
def certify(
    site: Annotated[str, argument("SITE", flags.DATASET)],
    predictions: Annotated[Path | None, value("DIR", "Certify the model of these maps, named as the images.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="Draw this many images; by default 16.")] = None,
    labels: Annotated[
        Path | None, value("DIR|FILE", "Read masks, a table image, label, or an export of a labelling tool.")
    ] = None,
    against: Annotated[
        Path | None, value("DIR", "Ask whether the model is better than the one of these predictions, as --predictions.")
    ] = None,
    profile: Annotated[Path | None, value("FILE", "Predict performance by this profile, for narrower intervals.")] = None,
    model: Annotated[Path | None, value("CKPT", "Make maps with this checkpoint; refuse its training images.")] = None,
    tuned_on: flags.TunedOn = None,
    sample: Annotated[Path | None, value("FILE", "Use this certificate's sample, for another model.")] = None,
    out: Annotated[Path | None, value("DIR", "Keep all in this folder; by default certify-SITE.", "--out", "-o")] = None,
    to: flags.LabellingAddress = None,
    plan: Annotated[bool, switch("--plan", "Predict how many labels are needed; draw nothing.")] = False,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.CertifyOptions],
) -> None:
    """Draw images of SITE to label, and measure with these labels what the model scores there, whatever the shift.

    The first run draws the images to label; the same command again reads the labels and reports the score.
    """
    from howfar.cli.choosing_and_labelling_commands import folder_name
    from howfar.data import parse
    from howfar.studies.certification.certify import certify as study

    dataset = parse(site)
    if plan:
        from howfar.studies.certification.certify import plan_labels

        asked: Any = {"labels": labels, "against": against, "sample": sample, "profile": profile, **chosen}
        printing.answer(plan_labels(dataset, predictions, **asked), json, printing.print_result)
        return
    send = flags.handing_over(to)
    folder = out or Path(f"certify-{folder_name(dataset.name)}")
    beside = {"against": against, "profile": profile, "model": model, "tuned_on": tuned_on, "sample": sample}
    certificate = study(dataset, predictions, k, labels=labels, out=folder, **beside, **chosen)
    printing.answer(certificate, json, show_certificate, folder)
    send(folder)


@flags.command(options_by_function.VerifyOptions)
def verify(
    certificate: Annotated[Path, argument("CERTIFICATE", "A certificate.json, or the folder that holds it.")],
    predictions: Annotated[Path | None, value("DIR", "Compare the model's predictions with those that it names.")] = None,
    images: Annotated[str | None, value("DIR", "Compare the site's images with those that it names.")] = None,
    labels: Annotated[Path | None, value("DIR|FILE", "Measure again by these labels.")] = None,
    against: Annotated[Path | None, value("DIR", "Compare the second model's predictions with those that it names.")] = None,
    json: flags.Json = False,
    **chosen: Unpack[options_by_function.VerifyOptions],
) -> None:
    """Verify a certificate: draw and compute again, and say what agrees, what differs, and what could not be checked."""
    from howfar.studies.certification.verify_certificate import verify as study

    found = study(certificate, predictions, images=images, labels=labels, against=against, **chosen)
    printing.answer(found, json, printing.print_result)
    if not found.agrees:
        raise typer.Exit(1)


def show_certificate(certificate: Certificate, folder: Path) -> None:
    """Print the sample with its labels, the certified value, the next images to label, and the files' paths."""
    to = printing.print_result(certificate)
    for line in certificate.remarks():
        to.print(line)
    places = {"classification": ("fill in", "labels.csv"), "detection": ("write boxes to", "labels.json")}
    what, place = places.get(certificate.task, ("masks go to", "masks"))
    files = {"to label": folder / "chosen.txt", what: folder / place, "report": printing.report_in(folder)}
    if certificate.labelled == len(certificate.sample):
        files = {"report": printing.report_in(folder)}
    zone = {"zone": folder / "zone.txt"} if certificate.zone is not None and certificate.zone.certified else {}
    printing.print_paths({"certificate": folder / certificate.DOCUMENT, **zone, **files})
