"""Write sentences on the distances of every dataset from every other, computed from their numbers."""

from __future__ import annotations

from howfar.results.matrix import Matrix


def lead(matrix: Matrix) -> str:
    """Name the two datasets that are nearest to each other, and the two that are farthest apart."""
    pairs = matrix.pairs.assign(mutual=matrix.mutual()).dropna(subset="mutual").sort_values("mutual", kind="stable")
    if not len(pairs):
        return "No two datasets can be compared: all images of one of each two are equal."
    near, far = pairs.iloc[0], pairs.iloc[-1]
    yardstick = "as images of the one that varies less lie from each other"
    if len(pairs) == 1:
        return f"{near['one']} and {near['other']} lie {near['mutual']:.2f} times as far apart {yardstick}."
    return (
        f"Of {len(matrix.datasets)} datasets {near['one']} and {near['other']} are the most alike ({near['mutual']:.2f} times "
        f"as far apart {yardstick}), {far['one']} and {far['other']} the least ({far['mutual']:.2f} times)."
    )


def beside_compare(matrix: Matrix) -> str:
    """Say how the numbers here go with those of howfar compare."""
    if matrix.settings.projection != "pair":
        return ""
    return (
        "The table of datasets takes each row as the primary one and says what howfar compare says. The tree and the map order "
        "by the mutual distance, the larger of a pair's two relative ones. They differ from the table where one of the two "
        "varies much more than the other: by its yardstick the other is near, and by the other's it is far."
    )


def primary_sentence(matrix: Matrix) -> str:
    """Name the dataset that, taken as the primary one, has the others nearest by its own yardstick, and which the farthest."""
    square = matrix.square("relative")
    if len(square) < 3:
        return ""
    means = {str(name): float(row.drop(name).mean()) for name, row in square.iterrows() if row.drop(name).notna().all()}
    if len(means) < 2:
        return ""
    near, far = min(means, key=lambda name: means[name]), max(means, key=lambda name: means[name])
    return (
        f"Taken as the primary dataset, {near} has the others nearest by its own yardstick (on average at "
        f"{means[near]:.2f} times its self-distance), {far} farthest ({means[far]:.2f} times). "
        "A set that varies much has a long yardstick: that others are near to it says that they lie within its spread, not "
        "that a model trained on it would do well on them."
    )


def limits(matrix: Matrix) -> list[str]:
    """Say what the numbers do not tell."""
    own = {
        "pair": "Each two datasets have a space of their own, so raw distances of different pairs cannot be compared; "
        "relative ones and inhomogeneity are free of the unit, though not of what the components leave out.",
        "joint": "All datasets share one space: every number depends on which datasets take part, and most on the largest.",
        "none": "Distances are taken in all dimensions, in which many that tell nothing may drown the few that do.",
    }[matrix.settings.projection]
    return [
        own,
        "Inhomogeneity of two samples of one distribution is not 0 but about half of 1/n + 1/m: compare it with that before "
        "you call two sets different, or ask howfar compare for a p-value.",
        "Near in features is not near in what a model makes of it: whether performance falls with distance is a question that "
        "howfar relate answers, and often with no.",
    ]
