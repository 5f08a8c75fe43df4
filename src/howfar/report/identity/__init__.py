"""Report the study of identity: violated pairs and margins of persons, table 9 and figures 30 to 32."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from howfar.figures.identity_pictures import identity_pictures
from howfar.figures.identity_violins import identity_before_after, identity_violins, primary_set
from howfar.figures.registration import Caption
from howfar.report.identity.tables import claims_table, variations_table
from howfar.report.identity.text import lead, limits, sentences, violated_in_words
from howfar.report.parts import Context, FigurePart, Section, TablePart
from howfar.report.printed import TABLE_9
from howfar.report.text import listing
from howfar.results.identity import PLAIN, Identity, called

FINEGPR_VARIATIONS = {"view", "scene", "weather", "light"}


def section(result: Identity, context: Context) -> Section:
    """Make the section of a study of identity."""
    return Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            TablePart(
                "claims",
                "Violated pairs and margins",
                claims_table(result),
                "A pair is another set of the same person and a set of another person, both measured from one primary set; it "
                "is violated where the other person is not farther (eqs. 9 to 11). The paper reports no violated pair of its "
                f"two persons by the backbones that it shows, but for blurred images. {_intervals(result)}",
                "Appendix E",
            ),
            TablePart(
                "variations",
                "Variations",
                variations_table(result),
                "A set holds the images of one person under one value of a variation, whatever the others are.",
                "Table 9",
                TABLE_9 if FINEGPR_VARIATIONS.issuperset(result.variations) else None,
            ),
            FigurePart("persons", partial(identity_pictures, result), _pictures_caption(result), "Figure 30"),
            *_violins(result),
            *_before_after(result),
        ],
        limits=limits(result),
    )


def _intervals(result: Identity) -> str:
    """Say what the intervals of the table are drawn over."""
    over = [str(unit) for unit in dict.fromkeys(result.claims["interval_over"]) if unit]
    drawn = {"persons": "the persons that are measured from", "primary sets": "the primary sets of each person"}
    return f"Intervals draw {' or '.join(drawn[unit] for unit in over)} anew." if over else ""


def _pictures_caption(result: Identity) -> Caption:
    shown = result.pictures.groupby("person", sort=False).size()
    counts = listing([f"{number} of {called(str(person))}" for person, number in shown.items()], 8)
    return Caption(
        "Images of the persons",
        "One row a person, drawn by the seed; under each image the values of its variations.",
        f"Rows of small photographs: {counts}.",
    )


def _violins(result: Identity) -> Iterator[FigurePart]:
    for position, backbone in enumerate(result.backbones, 1):
        caption = Caption(
            f"Distances from one person under one value, {backbone}",
            f"One panel a variation; distances are measured from {_primaries(result)}. {_READ}",
            violated_in_words(result, backbone, PLAIN),
        )
        yield FigurePart(f"violins-{position}", partial(identity_violins, result, backbone), caption, "Figure 31")


def _before_after(result: Identity) -> Iterator[FigurePart]:
    for position, backbone in enumerate(result.backbones, 1):
        for change in result.perturbations[1:]:
            caption = Caption(
                f"Distances with and without {change}, {backbone}",
                f"Images as they are (left) and with {change} (right); scales differ. Distances are measured from "
                f"{_primaries(result)}. {_READ}",
                f"{violated_in_words(result, backbone, PLAIN)} {violated_in_words(result, backbone, change)}",
            )
            draw = partial(identity_before_after, result, backbone, change)
            yield FigurePart(f"{change}-{position}", draw, caption, "Figure 32")


def _primaries(result: Identity) -> str:
    named = [(variation, *primary_set(result, variation)) for variation in result.variations]
    return listing([f"{called(person)} under {variation} {value}" for variation, person, value in named], 8)


_READ = (
    "Shapes are densities of the images' I^dist, at most eight images are dots; black dots are O^dist. Where every blue dot is "
    "below every orange one, the claim of equations 9 to 11 holds from this primary set."
)
