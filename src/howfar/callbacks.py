"""Define `Howfar`, the training callback (Lightning, Ultralytics, own loops) that saves a profile of the training images."""

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Unpack

from howfar.backbones import BackboneArgument
from howfar.data import DatasetArgument, parse
from howfar.errors import one_line
from howfar.option_checks_and_signatures import checked
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import ProfileOptions
from howfar.studies.profile_dataset import profile

_LOG = logging.getLogger("howfar")


def _lightning_callback() -> Any:
    """Return the callback class of the Lightning that is loaded, or else installed; `object` without one."""
    for name in sorted(("lightning", "pytorch_lightning"), key=lambda name: name not in sys.modules):
        if name in sys.modules or find_spec(name) is not None:
            return import_module(name).Callback
    return object


class Howfar(_lightning_callback()):  # type: ignore[misc]  # the class is known when the module is loaded
    """Save a profile of a model's training images next to its checkpoint when training ends: best.howfar, best.ckpt.

    Lightning: ``Trainer(callbacks=[Howfar("roads")])``. Ultralytics: ``model.add_callback("on_train_end",
    Howfar("roads").on_train_end)``. A loop of one's own: ``Howfar("roads").write("model.pt")``.

    `primary`, `backbone` and `options` are those of `howfar.profile`; missing images and wrong options raise `HowfarError` at
    once. `encoder` takes the backbone's place: a function of the checkpoint's path that makes a backbone of the network, like
    ``lambda file: howfar.backbones.module(Net.load_from_checkpoint(file).net, "layer4", 224)``. An error at a training's end is
    logged, so that the training is not lost. `file` is the path of the written profile.
    """

    def __init__(
        self,
        primary: DatasetArgument,
        backbone: BackboneArgument = DEFAULT_BACKBONE,
        *,
        encoder: Callable[[Path], BackboneArgument] | None = None,
        **options: Unpack[ProfileOptions],
    ) -> None:
        super().__init__()
        checked(ProfileOptions, options)
        parse(primary, unnamed="primary")
        self.primary, self.backbone, self.encoder, self.options = primary, backbone, encoder, options
        self.file: Path | None = None

    def write(self, checkpoint: str | Path) -> Path:
        """Save the profile next to a checkpoint and return its path; raises `HowfarError` as `howfar.profile` does."""
        file = Path(checkpoint)
        backbone = self.backbone if self.encoder is None else self.encoder(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = profile(self.primary, backbone, **self.options).save(file.with_suffix(".howfar"))
        return self.file

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the profile at the end of a Lightning training, next to the best checkpoint, or else the last one."""
        kept, unsaved = trainer.checkpoint_callback, Path(trainer.default_root_dir) / "profile"
        if trainer.is_global_zero and not trainer.fast_dev_run:
            self._end(getattr(kept, "best_model_path", "") or getattr(kept, "last_model_path", "") or unsaved)

    def on_train_end(self, trainer: Any, pl_module: Any = None) -> None:
        """Save the profile at the end of an Ultralytics training, next to its best checkpoint; Lightning has `on_fit_end`."""
        if pl_module is None:
            self._end(trainer.best if trainer.best.is_file() else trainer.last)

    def _end(self, checkpoint: str | Path) -> None:
        try:
            _LOG.info("profile: %s", self.write(checkpoint))
        except Exception as error:  # also those of the user's encoder
            _LOG.error("no profile was saved next to %s: %s", checkpoint, one_line(error, 600))
