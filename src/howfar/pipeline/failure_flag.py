"""Flag an image as one on which the model probably fails, and give the reason in words."""

from __future__ import annotations

FAR = 0.05
# The estimators that predict the same for every image.
CONSTANT = ("mean",)


def flagged(
    primary: str, predicted: float | None, estimator: str | None, p_value: float | None, tau: float | None
) -> tuple[bool | None, str]:
    """Decide whether the model probably fails on an image, and say why.

    The image is flagged where its predicted performance is below τ. Where no estimator looks at the image (there is none, or
    one that predicts the same for all), it is also flagged where its conformal p-value is at most 0.05: it is farther from the
    primary dataset than 95 % of that dataset's own images. None stands where neither is known.

    `primary` is the primary dataset's name, `predicted` the performance that `estimator` predicts, `p_value` the conformal
    p-value of the image's distance, and `tau` the performance below which an image counts as failed.

    Examples
    --------
    >>> flagged("roads", 0.31, "signals", 0.9, 0.5)
    (True, 'predicted 0.31 is below 0.5')
    >>> flagged("roads", 0.7, "mean", 0.01, 0.5)
    (True, 'farther than 95 % of the images of roads (p = 0.01)')
    >>> flagged("roads", None, None, 0.4, None)
    (False, 'not farther than 95 % of the images of roads (p = 0.4)')
    """
    if predicted is not None and tau is not None:
        if predicted < tau:
            return True, f"predicted {predicted:.2g} is below {tau:g}"
        if estimator not in CONSTANT:
            return False, f"predicted {predicted:.2g} is not below {tau:g}"
    if p_value is None:
        return None, f"{primary} has too few images to tell, or all alike"
    if p_value <= FAR:
        return True, f"farther than 95 % of the images of {primary} (p = {p_value:.2g})"
    return False, f"not farther than 95 % of the images of {primary} (p = {p_value:.2g})"
