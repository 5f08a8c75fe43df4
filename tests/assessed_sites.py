"""A believable assessment: one site outside the gate, one inside, a labelled one outside, and a corrupted set."""

from howfar.results import Provenance
from howfar.results.assessment_result import Assessment, LabelledSet, NextStep, SiteAnswer
from howfar.results.relation_result import Gate, GateReading

MADE = Provenance("0.1.0", "2026-01-03T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0"})
FAR = GateReading("distance", 1.42, None, 1.33, False, "farther than any labelled dataset (distance 1.42)", "label 8")
NEAR = GateReading("distance", 1.1, None, 1.33, True, "distance 1.1, as it should be")


def site(name: str, estimate: float | None, reading: GateReading | None, measured: float | None = None) -> SiteAnswer:
    gate = None if reading is None else Gate(name, (reading,))
    low, high = (None, None) if estimate is None else (estimate - 0.09, estimate + 0.09)
    return SiteAnswer(
        dataset=name,
        n=80,
        estimator=None if estimate is None else "boosted",
        estimate=estimate,
        low=low,
        high=high,
        level=0.9,
        measured=measured,
        scored=0 if measured is None else 80,
        inside=None if gate is None else gate.inside,
        gate=gate,
        warning="" if gate is None else gate.warning(),
        listed=12 if measured is None else 0,
        listed_share=0.15 if measured is None else 0.0,
        held=4,
        left_out=5,
        error=0.031,
        answer=f"{name}: what is said of it.",
        next=NextStep(
            "certify", "label 8 images drawn at random.", f"howfar certify {name}=/data/{name} --predictions maps -k 8"
        ),
        to_label=("1.png", "2.png") if name == "masonry" else (),
    )


def assessment() -> Assessment:
    labelled = (
        LabelledSet("site", "site", 80, 0.61, 0.6, 0.51, 0.69, True, False),
        LabelledSet("roads·blur 3", "corrupted", 60, 0.3, 0.5, 0.41, 0.59, False, None),
    )
    return Assessment(
        primary="roads",
        model="best.safetensors",
        metric="F at threshold 0.43",
        tau=0.5,
        basis="both",
        sites=(site("masonry", 0.58, NEAR), site("site", 0.6, FAR, 0.61), site("highway", 0.41, FAR), site("dark", None, None)),
        labelled=labelled,
        tiled=False,
        provenance=MADE,
        notes=("the answers rest on 1 corrupted version.", "something else."),
    )
