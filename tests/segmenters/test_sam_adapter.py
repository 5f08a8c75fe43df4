from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import SamConfig, SamModel
from transformers.utils import logging

from howfar.errors import InputError, MissingPathError
from howfar.segmenters import build_segmenter
from howfar.segmenters.architectures import SAM_ADAPTER
from howfar.segmenters.sam_adapter_network import Adapter, high_frequencies
from howfar.testing import SegmenterTests

SIDE = 64


def config(side: int = SIDE, width: int = 32) -> SamConfig:
    """SAM in small: two blocks, one of windows and one of the whole."""
    vision = {
        "hidden_size": width,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": 16,
        "window_size": 3,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "initializer_range": 0.02,
    }
    prompts = {"hidden_size": 16, "image_size": side, "patch_size": 16}
    decoder = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)


def saved(folder: Path, **options: Any) -> Path:
    """A folder of the hub's format, by transformers' own writing; weights large enough that every part has a say."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        sam = SamModel(config(**options))
        with torch.no_grad():
            for name, one in sam.named_parameters():
                if one.ndim > 1:
                    one.normal_(0, 0.5 if "pos" in name or "embed" in name else one[0].numel() ** -0.5)
    sam.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_progress_bars() -> Iterator[None]:
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("sam"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def small(folder: Path, pretrained: bool | Path = True, seed: int = 0, r: int = 24) -> Any:
    torch.manual_seed(seed)
    return build_segmenter("adsam", {"base": str(folder), "r": r}, pretrained=pretrained)


class TestSamAdapter(SegmenterTests):
    family = SAM_ADAPTER
    rectangles = False
    length = 16 * 4 * 4

    @pytest.fixture(autouse=True)
    def _base(self, folder: Path) -> None:
        self.folder = folder

    def options(self) -> Mapping[str, Any]:
        return {"base": str(self.folder)}


class TestLargerBase(SegmenterTests):
    """Another size, which windows of three patches do not divide."""

    family = SAM_ADAPTER
    side = 128
    rectangles = False
    length = 16 * 8 * 8

    @pytest.fixture(autouse=True)
    def _base(self, tmp_path: Path) -> None:
        self.folder = saved(tmp_path / "larger", side=128)

    def options(self) -> Mapping[str, Any]:
        return {"base": str(self.folder), "r": 4}


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


def test_length_at_1024() -> None:
    with torch.device("meta"):
        network = build_segmenter("adsam", pretrained=False)
        (embedding,) = network.encode(torch.rand(1, 3, 1024, 1024))
        logits = network(torch.rand(1, 3, 1024, 1024))
    assert embedding.shape == (1, 256, 64, 64)
    assert embedding.numel() == 1_048_576
    assert logits.shape == (1, 1, 1024, 1024)


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


def test_each_block_is_prompted_before_it_runs(folder: Path) -> None:
    network = small(folder).eval()
    seen: list[Tensor] = []
    for block in network.encoder.layers:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        block.register_forward_hook(lambda _, given, result: seen.append(result))
    pictures = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        network.encode(pictures)
        x = network.normalise(pictures)
        patches = network.encoder.patch_embed(x)
        first, second = network.adapter(patches, high_frequencies(x))
        torch.testing.assert_close(seen[0], patches + network.encoder.pos_embed + first)
        torch.testing.assert_close(seen[2], seen[1] + second)


@pytest.mark.parametrize("shape", [(64, 64), (32, 96), (48, 16)])
def test_high_frequencies_by_numpy(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *shape))
    spectrum = np.fft.fft2(x, axes=(2, 3))
    rows, columns = (np.fft.fftfreq(side) for side in shape)
    low = ((rows >= -0.25) & (rows < 0.25))[:, None] & ((columns >= -0.25) & (columns < 0.25))
    assert low.mean() == 0.25
    expected = np.abs(np.fft.ifft2(np.where(low, 0, spectrum), axes=(2, 3)))
    np.testing.assert_allclose(high_frequencies(torch.from_numpy(x)).numpy(), expected, rtol=0, atol=1e-12)


def test_only_the_adapter_and_the_decoder_are_trained(folder: Path) -> None:
    network = small(folder)
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"adapter", "decoder"}
    # What is left of the decoder makes the other masks and rates them.
    left = {name for name, one in network.decoder.named_parameters() if not one.requires_grad}
    heads = {".".join(name.split(".")[:2]) if "mlps" in name else name.split(".")[0] for name in left}
    assert heads == {"iou_prediction_head", *(f"output_hypernetworks_mlps.{k}" for k in (1, 2, 3))}


def test_learns_eight_pictures_by_heart_and_leaves_sam_alone(folder: Path) -> None:
    network = small(folder).train()
    generator = torch.Generator().manual_seed(0)
    targets = functional.interpolate((torch.rand(8, 1, 4, 4, generator=generator) > 0.5).float(), (SIDE, SIDE))
    pictures = 0.4 * targets + 0.6 * torch.rand(8, 3, SIDE, SIDE, generator=generator)
    frozen = {name: one.clone() for name, one in network.named_parameters() if not one.requires_grad}
    free = {name: one.clone() for name, one in network.named_parameters() if one.requires_grad}
    # Every parameter is handed over, so that what stays the same does so because it is frozen.
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=1e-2)
    losses = []
    for _ in range(120):
        loss = bce_iou(network(pictures), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    after = dict(network.named_parameters())
    assert losses[-1] < losses[0] / 10
    assert all(torch.equal(one, after[name]) for name, one in frozen.items())
    assert not any(torch.equal(one, after[name]) for name, one in free.items())


def bce_iou(logits: Tensor, targets: Tensor) -> Tensor:
    shares = logits.sigmoid()
    both, either = (shares * targets).sum((1, 2, 3)), (shares + targets - shares * targets).sum((1, 2, 3))
    return functional.binary_cross_entropy_with_logits(logits, targets) + (1 - (both + 1) / (either + 1)).mean()


def test_weights_are_the_folders(folder: Path) -> None:
    held = small(folder).state_dict()
    ours = {"vision_encoder.": "encoder.", "mask_decoder.": "decoder.", "shared_image_embedding.": "positions."}
    ours["prompt_encoder.no_mask_embed."] = "no_mask."
    compared = 0
    for name, one in load_file(folder / "model.safetensors").items():
        for theirs, mine in ours.items():
            if name.startswith(theirs):
                assert torch.equal(held[mine + name.removeprefix(theirs)], one)
                compared += 1
    assert compared == len([name for name in held if not name.startswith(("adapter.", "normalise."))])


def test_random_weights_of_the_folders_shape(folder: Path, offline: Path) -> None:
    alone = offline / "alone"
    alone.mkdir()
    (alone / "config.json").write_text((folder / "config.json").read_text())
    made, loaded = small(alone, pretrained=False), small(folder)
    assert {name: one.shape for name, one in made.state_dict().items()} == {
        name: one.shape for name, one in loaded.state_dict().items()
    }
    made.load_state_dict(loaded.state_dict())
    pictures = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        assert torch.equal(made(pictures), loaded(pictures))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_weights_beside_a_configuration(folder: Path, tmp_path: Path, suffix: str) -> None:
    state, file = load_file(folder / "model.safetensors"), tmp_path / f"w{suffix}"
    state["vision_encoder.pos_embed"] = state["vision_encoder.pos_embed"] + 1
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    assert torch.equal(small(folder, pretrained=file).encoder.pos_embed, small(folder).encoder.pos_embed + 1)
    state.pop("vision_encoder.neck.conv1.weight")
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    with pytest.raises(InputError, match=r"weights do not fit adsam's base: .* lacks vision_encoder\.neck\.conv1\.weight$"):
        small(folder, pretrained=file)


def test_options_that_are_refused() -> None:
    for options in ({"r": 0}, {"r": "wide"}, {"base": ""}):
        with pytest.raises(InputError, match=f"adsam's {next(iter(options))} (must|is refused)"):
            build_segmenter("adsam", options, pretrained=False)


def test_weights_of_another_shape(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "wide", width=48)
    with pytest.raises(InputError, match="weights do not fit adsam's base") as caught:
        small(folder, pretrained=other / "model.safetensors")
    assert "\n" not in str(caught.value)


def test_pictures_of_another_size(folder: Path) -> None:
    network = small(folder)
    for shape in ((1, 3, 128, 128), (1, 3, 64, 128), (1, 3, 32, 32), (1, 1, 64, 64), (3, 64, 64)):
        for call in (network, network.logits, network.encode):
            with pytest.raises(InputError, match=r"adsam's pictures must be \(b, 3, 64, 64\), the size of its base, got"):
                call(torch.rand(shape))


@pytest.mark.parametrize("pretrained", [True, False])
def test_bases_that_are_none(folder: Path, tmp_path: Path, offline: Path, pretrained: bool) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    wanted = "config.json and model.safetensors" if pretrained else "config.json"
    with pytest.raises(MissingPathError, match=f"adsam's base must hold {wanted}, and {empty} lacks {wanted}$"):
        small(empty, pretrained)
    with pytest.raises(
        MissingPathError, match=r"must be a folder, or a hub id such as facebook/sam-vit-base, and .* is neither"
    ):
        small(tmp_path / "absent", pretrained)
    for content, text in (("{", "has no readable config.json"), ('{"model_type": "vit"}', "must be a SAM .*, got 'vit'")):
        (empty / "config.json").write_text(content)
        (empty / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        with pytest.raises(InputError, match=text) as caught:
            small(empty, pretrained)
        assert "\n" not in str(caught.value)


def test_a_configuration_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["vision_config"]["hidden_size"] = "many"
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"has no readable config\.json: .*hidden_size"):
        small(tmp_path, pretrained=False)


def test_out_of_reach(offline: Path) -> None:
    text = (
        r"^adsam's base facebook/sam-vit-base is not on this machine and cannot be fetched \(HF_HUB_OFFLINE is set\): "
        r"download config\.json and model\.safetensors \(375 MB\) of facebook/sam-vit-base elsewhere into one folder and "
        r"pass base=FOLDER$"
    )
    with pytest.raises(MissingPathError, match=text):
        build_segmenter("adsam")
    with pytest.raises(MissingPathError, match=r"download config\.json of owner/other elsewhere"):
        build_segmenter("adsam", {"base": "owner/other"}, pretrained=False)


@pytest.mark.usefixtures("offline")
def test_vit_b_needs_no_hub_for_its_shape() -> None:
    with torch.device("meta"):
        network = build_segmenter("adsam", pretrained=False)
    assert network.multiple == 1024
    assert sum(one.numel() for one in network.encoder.parameters()) == 89_670_912


def test_the_hubs_cache_comes_first(folder: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "howfar.segmenters.sam_adapter_network.why_unreachable", lambda *_: pytest.fail("the hub was thought of")
    )
    revision = "0" * 40
    cached = offline / "cache" / "models--owner--sam"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(revision)
    snapshot = cached / "snapshots" / revision
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_bytes((folder / name).read_bytes())
    torch.manual_seed(0)
    made = build_segmenter("adsam", {"base": "owner/sam"})
    expected = small(folder).state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in made.state_dict().items())


def test_a_failing_download_is_one_line(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, local_files_only: bool, **kwargs: object) -> None:
        raise OSError("not cached") if local_files_only else RuntimeError("bad\ngateway")

    monkeypatch.setattr("howfar.segmenters.sam_adapter_network.why_unreachable", lambda *_: None)
    monkeypatch.setattr(SamConfig, "get_config_dict", fail)
    with pytest.raises(MissingPathError, match=r"cannot be fetched \(bad gateway\): download config.json and model"):
        build_segmenter("adsam")
