from __future__ import annotations

import numpy as np

from howfar.projection.moments import add_products, add_square, column_means, mirror, product


def test_products_and_squares_are_added_to_the_upper_triangle(rng: np.random.Generator) -> None:
    values, vector = rng.normal(size=(5, 3)), rng.normal(size=3)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        total = np.zeros((3, 3), order="F")
        add_products(total, values.astype(dtype))
        add_square(total, vector, 3.0)
        np.testing.assert_allclose(total, np.triu(values.T @ values + 3.0 * np.outer(vector, vector)), rtol=0, atol=tolerance)


def test_the_upper_triangle_is_mirrored_over_tiles(rng: np.random.Generator) -> None:
    full = rng.normal(size=(300, 300))
    total = np.triu(full)
    mirror(total)
    np.testing.assert_array_equal(total, np.triu(full) + np.triu(full, 1).T)


def test_means_and_products_are_those_of_numpy(rng: np.random.Generator) -> None:
    values, matrix = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    np.testing.assert_allclose(product(values, matrix), values @ matrix, rtol=1e-12)
    np.testing.assert_allclose(column_means(values.astype(np.float32)), values.mean(axis=0), rtol=0, atol=1e-6)
