"""Say what share of a dataset's images fails, with an interval: by a certificate's labels, else by predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from howfar.pipeline.failure_flag import CONSTANT
from howfar.relation.site_judge import SiteJudge
from howfar.results.certificate import Certificate
from howfar.results.scores import Score
from howfar.studies.certification.estimates import share_below
from howfar.studies.check.decide import CERTIFIED, ESTIMATED, Interval


def judged_of(images: Sequence[Score]) -> list[Score]:
    """List the images whose performance is predicted by an estimator that looks at them one by one."""
    return [image for image in images if image.predicted is not None and image.estimator not in CONSTANT]


def failing_of(judge: SiteJudge | None, images: Sequence[Score], certificate: Certificate | None) -> Interval | None:
    """Return the share of a dataset's images whose performance lies below the profile's tau; None where nothing tells.

    A certificate whose labels say it goes before predictions. The interval of predictions is that of the estimator which made
    most of them; an image without a prediction may fail or not. A profile without estimators has no tau.
    """
    if judge is None:
        return None
    shown = None if certificate is None else share_below(certificate, judge.terms.tau)
    if certificate is not None and shown is not None:
        estimate, count = shown
        valued = sum(one.labelled and one.performance is not None for one in certificate.sample)
        ends = (estimate.value, estimate.low, estimate.high)
        return Interval(*ends, certificate.level, CERTIFIED, certificate.labelled, (count, valued))
    judged = judged_of(images)
    if not judged:
        return None
    fit = judge.fits[Counter(str(image.estimator) for image in judged).most_common(1)[0][0]]
    predicted = np.array([image.predicted for image in judged], dtype=np.float64)
    value, low, high = fit.share_below(predicted, judge.terms.tau)
    known = len(judged) / len(images)
    ends = (value, low * known, high * known + 1.0 - known)
    return Interval(*ends, fit.level, ESTIMATED, counted=(int(np.sum(predicted < judge.terms.tau)), len(judged)))
