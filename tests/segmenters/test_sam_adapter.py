from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file, save_file
from transformers import SamModel

from howfar.errors import InputError, MissingPathError
from howfar.segmenters import SAM_ADAPTER, build_segmenter
from howfar.segmenters.sam_adapter_network import Adapter, high_frequencies
from howfar.testing import SegmenterTests
from worlds.hub import go_offline, no_progress_bars, save_sam

SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with no_progress_bars():
        return save_sam(tmp_path_factory.mktemp("sam"), SIDE)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub, and an empty cache."""
    go_offline(monkeypatch, tmp_path / "cache")
    return tmp_path


def small(folder: Path, pretrained: bool | Path = True) -> Any:
    torch.manual_seed(0)
    return build_segmenter("adsam", {"base": str(folder)}, pretrained=pretrained)


class TestSamAdapter(SegmenterTests):
    family = SAM_ADAPTER
    rectangles = False
    length = 16 * 4 * 4

    @pytest.fixture(autouse=True)
    def _base(self, folder: Path) -> None:
        self.folder = folder

    def options(self) -> Mapping[str, Any]:
        return {"base": str(self.folder)}


def test_adapters_parameters() -> None:
    # ViT-B: tokens of 768, patches of 16×16×3 = 768 values, twelve blocks; each linear map with its bias.
    with torch.device("meta"):
        adapter = build_segmenter("adsam", pretrained=False).adapter
    parts = {name: sum(one.numel() for one in part.parameters()) for name, part in adapter.named_children()}
    assert parts == {
        "patches": 768 * 24 + 24,
        "frequencies": 768 * 24 + 24,
        "blocks": 12 * (24 * 24 + 24),
        "up": 24 * 768 + 768,
    }
    assert sum(parts.values()) == 63_312


def test_without_prompts_it_is_sam(folder: Path) -> None:
    network = small(folder).eval()
    sam = SamModel.from_pretrained(folder).eval()
    pictures = torch.rand(2, 3, SIDE, SIDE)
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = sam(pixel_values=(pictures - mean) / std, multimask_output=False).pred_masks[:, 0]
        embedded = sam.get_image_embeddings((pictures - mean) / std)
        prompted = network(pictures), network.encode(pictures)[0]
        network.adapter.up.weight.zero_()
        network.adapter.up.bias.zero_()
        plain = network(pictures), network.encode(pictures)[0]
    larger = functional.interpolate(expected, (SIDE, SIDE), mode="bilinear", align_corners=False)
    assert larger.std() > 0.02
    torch.testing.assert_close(plain[0], larger, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(plain[1], embedded)
    for one, other in zip(prompted, plain, strict=True):
        assert (one - other).abs().max() > 1e-4


def test_prompts_by_hand() -> None:
    torch.manual_seed(0)
    adapter = Adapter(tokens=10, patch=4, blocks=3, r=5).double()
    patches, high = torch.randn(2, 3, 2, 10).double(), torch.rand(2, 3, 12, 8).double()
    found = list(adapter(patches, high))
    for row in range(3):
        for column in range(2):
            pixels = high[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten(1)
            seen = patches[:, row, column] @ adapter.patches.weight.T + adapter.patches.bias
            seen = seen + pixels @ adapter.frequencies.weight.flatten(1).T + adapter.frequencies.bias
            for prompt, block in zip(found, adapter.blocks, strict=True):
                inner = seen @ block.weight.T + block.bias
                active = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
                expected = active @ adapter.up.weight.T + adapter.up.bias
                torch.testing.assert_close(prompt[:, row, column], expected)


@pytest.mark.parametrize("shape", [(64, 64), (32, 96), (48, 16)])
def test_high_frequencies_by_numpy(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *shape))
    spectrum = np.fft.fft2(x, axes=(2, 3))
    rows, columns = (np.fft.fftfreq(side) for side in shape)
    low = ((rows >= -0.25) & (rows < 0.25))[:, None] & ((columns >= -0.25) & (columns < 0.25))
    assert low.mean() == 0.25
    expected = np.abs(np.fft.ifft2(np.where(low, 0, spectrum), axes=(2, 3)))
    np.testing.assert_allclose(high_frequencies(torch.from_numpy(x)).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_weights_beside_a_configuration(folder: Path, tmp_path: Path, suffix: str) -> None:
    state, file = load_file(folder / "model.safetensors"), tmp_path / f"w{suffix}"
    state["vision_encoder.pos_embed"] = state["vision_encoder.pos_embed"] + 1
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    assert torch.equal(small(folder, pretrained=file).encoder.pos_embed, small(folder).encoder.pos_embed + 1)
    state.pop("vision_encoder.neck.conv1.weight")
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    with pytest.raises(InputError, match=r"adsam's base do not fit the network: .* lacks vision_encoder\.neck\.conv1\.weight$"):
        small(folder, pretrained=file)


@pytest.mark.parametrize("pretrained", [True, False])
def test_bases_that_are_none(folder: Path, tmp_path: Path, offline: Path, pretrained: bool) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    wanted = "config.json and model.safetensors" if pretrained else "config.json"
    with pytest.raises(MissingPathError, match=f"adsam's base must be a folder with {wanted}: {empty} lacks config.json$"):
        small(empty, pretrained)
    with pytest.raises(
        MissingPathError, match=r"must be a folder, or a hub id such as facebook/sam-vit-base, and .* is neither"
    ):
        small(tmp_path / "absent", pretrained)
    for content, text in (
        ("{", "config.json cannot be read"),
        ('{"model_type": "vit"}', "must be a model of type sam, got 'vit'"),
    ):
        (empty / "config.json").write_text(content)
        (empty / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        with pytest.raises(InputError, match=text) as caught:
            small(empty, pretrained)
        assert "\n" not in str(caught.value)


def test_out_of_reach(offline: Path) -> None:
    text = (
        r"^the weights of adsam's base are not on this machine and cannot be fetched \(HF_HUB_OFFLINE is set\): "
        r"download config\.json, model\.safetensors \(375 MB\) of facebook/sam-vit-base elsewhere into one folder and "
        r"pass base=FOLDER$"
    )
    with pytest.raises(MissingPathError, match=text):
        build_segmenter("adsam")
    with pytest.raises(MissingPathError, match=r"download config\.json of owner/other elsewhere"):
        build_segmenter("adsam", {"base": "owner/other"}, pretrained=False)
