"""A training that is interrupted, as by Ctrl-C."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from howfar.training.lightning_module import Keep


@contextmanager
def stopped_after(epoch: int, callback: type = Keep) -> Iterator[None]:
    """Interrupt when a callback or the module has seen the end of an epoch: `Keep`'s state is kept, `Fitting` has logged it."""
    usual: Any = callback.on_train_epoch_end  # type: ignore[attr-defined]  # a callback has it

    def end(self: Any, *trainer_and_module: Any) -> None:
        usual(self, *trainer_and_module)
        if len((self, *trainer_and_module)[-1].history) == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callback, "on_train_epoch_end", end)
        with pytest.raises(KeyboardInterrupt):
            yield
