"""A profile beside the checkpoint at the end of a training: Lightning, Ultralytics and a loop of one's own."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from howfar import Profile
from howfar.backbones import module
from howfar.callbacks import Howfar
from howfar.errors import HowfarError


@pytest.fixture
def images(tmp_path) -> Path:
    """Ten pictures with one box each, as Ultralytics reads them; howfar reads the pictures."""
    for part in ("images", "labels"):
        (tmp_path / "roads" / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(10):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "roads" / "images" / f"{number}.png")
        (tmp_path / "roads" / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    return tmp_path / "roads"


def encoder(file: Path) -> object:
    """Measure by the first convolution of a Lightning checkpoint."""
    state = torch.load(file)["state_dict"]
    network = small()
    network.load_state_dict({name.removeprefix("net."): values for name, values in state.items()})
    return module(network, "0", 32, pool=True)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))


def trained(tmp_path: Path, *callbacks: Any, **options: Any) -> Any:
    """Train two epochs with Lightning; the logged loss is worse in the second, so that the best weights are not the last."""
    lightning = pytest.importorskip("lightning", reason="pip install 'howfar[train]'")

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = small()

        def training_step(self, batch, _):
            self.log("loss", float(self.current_epoch), on_epoch=True)
            return self.net(batch).square().mean()

        def train_dataloader(self):
            return torch.utils.data.DataLoader(torch.rand(8, 3, 32, 32), batch_size=4)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    network = Net()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = lightning.Trainer(max_epochs=2, callbacks=[*callbacks], default_root_dir=tmp_path / "root", **quiet, **options)
    trainer.fit(network)
    return network


@pytest.mark.parametrize("own", [False, True], ids=["registered", "own encoder"])
@pytest.mark.filterwarnings("ignore")  # Lightning's own, on workers and loggers
def test_lightning_trains_two_epochs_and_the_profile_lies_beside_the_best_checkpoint(own, images, tmp_path):
    callbacks = pytest.importorskip("lightning.pytorch.callbacks", reason="pip install 'howfar[train]'")
    howfar = Howfar(images, "colour_moments", encoder=encoder if own else None, store=tmp_path / "store", progress=False)
    network = trained(tmp_path, howfar, callbacks.ModelCheckpoint(tmp_path / "saved", "best", monitor="loss"))
    assert howfar.file == tmp_path / "saved" / "best.howfar"
    profile = Profile.load(howfar.file)
    assert profile.n == 10
    if not own:
        assert profile.score(images).images[0].p_value is not None
        return
    assert len(profile.score(images, encoder(tmp_path / "saved" / "best.ckpt")).images) == 10
    with pytest.raises(HowfarError, match="weights"):
        profile.score(images, module(network.net, "0", 32, pool=True))


@pytest.mark.parametrize("own", [False, True], ids=["registered", "own encoder"])
@pytest.mark.filterwarnings("ignore")  # Ultralytics' own
def test_ultralytics_trains_two_epochs_and_the_profile_lies_beside_the_best_checkpoint(own, images, tmp_path, monkeypatch):
    for name, value in (("YOLO_CONFIG_DIR", str(tmp_path)), ("YOLO_OFFLINE", "True"), ("YOLO_AUTOINSTALL", "False")):
        monkeypatch.setenv(name, value)
    ultralytics = pytest.importorskip("ultralytics", reason="AGPL-3.0, so no dependency: pip install ultralytics")
    (tmp_path / "data.yaml").write_text(f"path: {images}\ntrain: images\nval: images\nnames:\n  0: thing\n")
    model = ultralytics.YOLO("yolo11n.yaml")

    def first_layer(file: Path) -> object:
        return module(ultralytics.YOLO(file).model.model[0], "", 32, pool=True)

    howfar = Howfar(
        images, "colour_moments", encoder=first_layer if own else None,
        store=tmp_path / "store", progress=False,
    )  # fmt: skip
    model.add_callback("on_train_end", howfar.on_train_end)
    model.train(
        data=str(tmp_path / "data.yaml"), epochs=2, imgsz=32, batch=5, workers=0, device="cpu", project=str(tmp_path / "runs"),
        plots=False, verbose=False,
    )  # fmt: skip
    saved = Path(model.trainer.best)
    assert howfar.file == saved.with_name("best.howfar")
    assert Profile.load(howfar.file).n == 10
    if own:
        assert len(Profile.load(howfar.file).score(images, howfar.encoder(saved)).images) == 10


def test_a_loop_of_one_s_own(images, tmp_path):
    howfar = Howfar(images, "colour_moments", store=tmp_path / "store", progress=False)
    network = small()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        network(torch.rand(4, 3, 32, 32)).square().mean().backward()
        optimiser.step()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    assert howfar.write(tmp_path / "model.pt") == tmp_path / "model.howfar"
    assert Profile.load(tmp_path / "model.howfar").primary == "roads"


def test_wrong_images_and_options_stop_before_the_training(tmp_path, images):
    with pytest.raises(HowfarError, match="absent"):
        Howfar(tmp_path / "absent")
    with pytest.raises(HowfarError, match="components must be at least 1, got 0"):
        Howfar(images, components=0)


def test_an_error_at_the_end_is_a_line_of_the_log_and_the_training_is_kept(images, tmp_path, caplog):
    howfar = Howfar(images, "no_such_backbone", progress=False)
    (tmp_path / "best.pt").write_text("weights")

    class Trainer:
        best = last = tmp_path / "best.pt"

    with caplog.at_level(logging.ERROR, "howfar"):
        howfar.on_train_end(Trainer())
    assert "no profile was saved next to" in caplog.text
    assert howfar.file is None
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["best.pt"]
