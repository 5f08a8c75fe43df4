from __future__ import annotations

import numpy as np

from howfar.projection.basis import centre, layer_weights, leading, ratio, signed, signs


def test_a_layer_weighs_one_over_its_variance_and_nothing_where_rounding_alone_varies() -> None:
    scatter, squares = np.array([8.0, 1e-30]), np.array([1.0, 1.0])
    assert layer_weights(scatter, squares, 5, "layers").tolist() == [0.5, 0.0]
    assert layer_weights(scatter, squares, 5, "none").tolist() == [1.0, 0.0]


def test_inner_products_are_centred_in_place() -> None:
    gram = np.array([[1.0, 3.0], [3.0, 9.0]])
    centre(gram)
    assert gram.tolist() == [[1.0, -1.0], [-1.0, 1.0]]


def test_eigenvalues_fall_and_those_of_rounding_are_zero() -> None:
    assert leading(np.diag([1.0, 4.0, 1e-20]), 3)[1].tolist() == [4.0, 1.0, 0.0]
    assert leading(np.diag([1.0, 4.0, 1e-20]), 2, rounding=2.0)[1].tolist() == [4.0, 0.0]


def test_signs_put_the_secondary_mean_above_the_primary_one() -> None:
    scores = np.array([[1.0], [2.0], [-9.0]])
    assert signs(scores, 2).tolist() == [-1.0]
    assert signed(scores, 2).tolist() == [[-1.0], [-2.0], [9.0]]
    assert signs(scores, 2, towards_secondary=False).tolist() == [1.0]


def test_shares_of_no_variance_are_zero() -> None:
    assert ratio(np.array([3.0, 1.0]), 8.0).tolist() == [0.375, 0.125]
    assert ratio(np.array([0.0]), 0.0).tolist() == [0.0]
