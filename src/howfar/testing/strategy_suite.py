"""Define `StrategyTests`, a pytest class that a plug-in inherits to test its strategy of selecting images to label."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.selection.candidates import FEATURES, NAME, REGIONS

_NO_COUNTS: tuple[Any, ...] = (0, -1, 1.5, "2", None, True)


class StrategyTests:
    """Test that a selection strategy keeps the contract of `howfar.protocols.Strategy`.

    Subclass it in a test file under a name that pytest collects and set `strategy`; where it needs a column that
    `columns` does not make, override that too. Every test is then inherited. Warnings that a strategy gives where its rule
    cannot be met (too few images far away, say) are ignored. If a strategy goes `by_name`, with names given, the order of rows
    changes neither which images are chosen nor their order.

    Examples
    --------
    >>> from howfar.selection.diversity import KCENTER
    >>> class TestKcenter(StrategyTests):
    ...     strategy = KCENTER
    """

    strategy: Any
    by_name: ClassVar[bool] = True

    @pytest.fixture(autouse=True)
    def _let_warnings_pass(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield

    def columns(self, count: int = 40) -> dict[str, Any]:
        """Make images with names and every column that the strategy needs, the same at every call."""
        rng = np.random.default_rng(count)
        values = {
            "distance": np.linspace(0.0, 1.0, count)[rng.permutation(count)],
            FEATURES: rng.normal(size=(count, 6)) + 4.0 * rng.integers(0, 3, size=(count, 1)),
            "uncertainty": rng.uniform(0.0, 0.69, count),
            "flip_agreement": rng.uniform(0.5, 1.0, count),
            "predicted_foreground": rng.uniform(0.001, 0.2, count),
            REGIONS: rng.uniform(0.001, 1.0, (count, 3, 4)) * (rng.uniform(size=(count, 3, 1)) < 0.6),
            "foreground_entropy": rng.uniform(0.0, 0.1, count),
            "background_entropy": rng.uniform(0.0, 0.3, count),
            "ridge_response": rng.uniform(0.0, 0.2, count),
        }
        return {NAME: [f"{number:04}.png" for number in rng.permutation(count)], **{name: values[name] for name in self.needs}}

    @property
    def needs(self) -> tuple[str, ...]:
        """List the columns that the strategy needs."""
        return tuple(self.strategy.needs)

    def picked(self, columns: Mapping[str, Any], k: int, labelled: Any = None, seed: int = 0) -> NDArray[np.intp]:
        """Pick images with a generator of a seed."""
        picks: NDArray[np.intp] = self.strategy.pick(columns, k, np.random.default_rng(seed), labelled)
        return picks

    def mask(self, positions: Any, count: int = 40) -> NDArray[np.bool_]:
        """Make a mask that is True at some positions."""
        labelled = np.zeros(count, dtype=np.bool_)
        labelled[positions] = True
        return labelled

    def test_what_it_says_of_itself(self) -> None:
        """Check that a strategy has a name that can be typed, names of columns, a bool `nested`, and a reason in words."""
        assert isinstance(self.strategy.name, str), f"a name is a str, not {type(self.strategy.name).__name__}"
        assert self.strategy.name.isidentifier(), f"{self.strategy.name!r} is no plain name"
        assert isinstance(self.strategy.needs, tuple), "needs is a tuple of names"
        assert all(isinstance(name, str) for name in self.needs), f"needs are names: {self.needs}"
        assert isinstance(self.strategy.nested, bool), "nested is a bool"
        columns = self.columns()
        values = {name: float(columns[name][0]) for name in self.needs if np.ndim(columns[name]) == 1}
        reason = self.strategy.reason(values)
        assert isinstance(reason, str), "a reason is a str"
        assert reason, "a reason says something"
        assert "\n" not in reason, "a reason is one line"

    @pytest.mark.parametrize("k", [1, 2, 3, 7, 39, 40])
    def test_picks(self, k: int) -> None:
        """Check that a strategy picks k positions of different images."""
        picks = self.picked(self.columns(), k)
        assert isinstance(picks, np.ndarray), f"picks are an array, not {type(picks).__name__}"
        assert (picks.shape, str(picks.dtype)) == ((k,), str(np.dtype(np.intp))), f"got {picks.shape} {picks.dtype}"
        assert len(set(picks.tolist())) == k, f"an image is picked twice: {picks}"
        assert ((picks >= 0) & (picks < 40)).all(), f"no such image: {picks}"

    @pytest.mark.parametrize("already", [1, 12, 33])
    def test_labelled_images_are_never_picked(self, already: int) -> None:
        """Check that images with labels are not picked, even where all others are."""
        labelled = self.mask(np.random.default_rng(already).choice(40, already, replace=False))
        for k in (1, 7, 40 - already):
            if k <= 40 - already:
                picks = self.picked(self.columns(), k, labelled)
                assert len(set(picks.tolist())) == k, f"an image is picked twice: {picks}"
                assert not labelled[picks].any(), f"picked although it has labels: {picks[labelled[picks]]}"

    def test_again(self) -> None:
        """Check that a generator in the same state gives the same picks, also by a mask without labels and other columns."""
        more = {"something": np.random.default_rng(5).random(40), **self.columns()}
        for seed in range(3):
            first = self.picked(self.columns(), 7, seed=seed)
            np.testing.assert_array_equal(self.picked(self.columns(), 7, seed=seed), first)
            np.testing.assert_array_equal(self.picked(self.columns(), 7, self.mask([]), seed), first)
            np.testing.assert_array_equal(self.picked(more, 7, seed=seed), first)

    def test_nested(self) -> None:
        """Check that fewer picks are the first of more if the strategy is `nested`, with labels and without."""
        if self.strategy.nested:
            for labelled in (None, self.mask([3, 11, 30])):
                most = self.picked(self.columns(), 15, labelled)
                for k in (1, 2, 3, 7):
                    np.testing.assert_array_equal(self.picked(self.columns(), k, labelled), most[:k])

    def test_order_of_rows(self) -> None:
        """Check that rows in another order give the same images in the same order, if the strategy goes `by_name`."""
        if self.by_name:
            columns, labelled = self.columns(), self.mask([3, 11, 30])
            order = np.random.default_rng(1).permutation(40)
            moved = {name: np.asarray(values)[order] for name, values in columns.items()}
            for mask in (None, labelled):
                first = np.asarray(columns[NAME])[self.picked(columns, 7, mask)]
                again = np.asarray(moved[NAME])[self.picked(moved, 7, None if mask is None else mask[order])]
                assert again.tolist() == first.tolist()

    def test_equal_images(self) -> None:
        """Check that k different images are picked although columns are equal, even all pairs of copies, and a single one."""
        equal, pairs = self.columns(), self.columns()
        for name in self.needs:
            equal[name] = np.repeat(np.asarray(equal[name])[:1], 40, axis=0)
            pairs[name] = np.repeat(np.asarray(pairs[name])[:20], 2, axis=0)
        for columns, k, labelled in ((equal, 5, None), (equal, 5, self.mask([0, 1])), *((pairs, k, None) for k in (7, 25, 40))):
            picks = self.picked(columns, k, labelled)
            assert len(set(picks.tolist())) == k, f"an image is picked twice: {picks}"
            assert labelled is None or not labelled[picks].any(), "picked although it has labels"
        assert self.picked(self.columns(1), 1).tolist() == [0]

    @pytest.mark.parametrize("k", _NO_COUNTS, ids=repr)
    def test_what_is_no_count_is_refused(self, k: Any) -> None:
        """Check that a k that is no whole number of images, and a seed for a generator, raise an `InputError`."""
        with pytest.raises(InputError, match="k must"):
            self.picked(self.columns(), k)
        with pytest.raises(InputError, match="Generator"):
            self.strategy.pick(self.columns(), 2, 0)

    def test_more_than_are_left_is_refused(self) -> None:
        """Check that a k above the number of images without labels is refused, and the error gives that number."""
        with pytest.raises(InputError, match="41") as caught:
            self.picked(self.columns(), 41)
        assert "40" in str(caught.value), "say how many are left"
        with pytest.raises(InputError, match="38"):
            self.picked(self.columns(), 39, self.mask([0, 5]))
        with pytest.raises(InputError):
            self.picked(self.columns(), 1, np.ones(40, dtype=np.bool_))

    def test_a_missing_column_is_named(self) -> None:
        """Check that the error for a missing column names the strategy and the column."""
        for name in self.needs:
            columns = {column: values for column, values in self.columns().items() if column != name}
            with pytest.raises(InputError, match=name) as caught:
                self.picked(columns, 2)
            assert self.strategy.name in str(caught.value), "say which strategy needs it"
            assert "\n" not in str(caught.value), "one line"

    def test_columns_that_do_not_fit_are_refused(self) -> None:
        """Check that columns or masks of other lengths, or not of numbers, are refused with an `InputError`."""
        columns = self.columns()
        for name in self.needs:
            for wrong in (np.asarray(columns[name])[:-1], [["a"]] * 40, 7.0):
                with pytest.raises(InputError):
                    self.picked({**columns, name: wrong}, 2)
        for labelled in (np.zeros(39, dtype=np.bool_), np.zeros(40), [0, 1]):
            with pytest.raises(InputError, match="labelled"):
                self.picked(columns, 2, labelled)
        with pytest.raises(InputError):
            self.picked({}, 1)

    def test_an_image_without_a_value_is_not_picked(self) -> None:
        """Check that an image with NaN in a column is not picked; features must all be known."""
        for name in self.needs:
            columns = self.columns()
            columns[name] = np.array(columns[name])
            columns[name][[4, 17]] = np.nan
            if columns[name].ndim == 1:
                assert not {4, 17} & set(self.picked(columns, 38).tolist()), "picked although nothing is known of it"
            with pytest.raises(InputError):
                self.picked(columns, 39)

    def test_columns_are_left_alone(self) -> None:
        """Check that read-only arrays are accepted and not changed."""
        columns, labelled = {name: np.array(values) for name, values in self.columns().items()}, self.mask([2])
        before = {name: values.copy() for name, values in columns.items()}
        for array in (*columns.values(), labelled):
            array.setflags(write=False)
        self.picked(columns, 7, labelled)
        for name, values in columns.items():
            np.testing.assert_array_equal(values, before[name])

    def test_number_types(self) -> None:
        """Check that lists and single precision give the picks of double-precision arrays."""
        columns = self.columns()
        for name in self.needs:
            columns[name] = np.asarray(columns[name]).astype(np.float32).astype(np.float64)
        picks = self.picked(columns, 7)
        for kind in (np.float32, None):
            given = {
                name: values if name == NAME else values.tolist() if kind is None else values.astype(kind)
                for name, values in columns.items()
            }
            np.testing.assert_array_equal(self.picked(given, 7), picks)
