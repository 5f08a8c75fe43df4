"""Load and list backbones by name (`load_backbone`), and build one only when used if its identity is on record.

Building a network imports torch and reads its weights, which takes seconds; where all features are stored, its identity alone
is needed (`known_backbone`). A record of it is used only where everything agrees that the identity was computed from: name and
options, the bytes of all files, the versions of the libraries, and howfar's own code. Any doubt builds the network.
"""

from __future__ import annotations

import json
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest, sha256
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import xxhash

from howfar import registry
from howfar.backbones.backbone_family import BackboneFamily, Card, Options
from howfar.errors import HowfarError, InputError, MissingExtraError, StoreError, UnknownNameError, one_line
from howfar.image_reading_options import reading_asked
from howfar.io.atomic_writes import replace_text
from howfar.io.embedded_checksum import SEAL, UNSEALED, is_intact, sealed
from howfar.io.partial_results import code_stamp
from howfar.option_checks_and_signatures import with_options
from howfar.options_by_function import BackboneOptions
from howfar.protocols import Backbone
from howfar.store import local_root
from howfar.store.feature_store import canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from howfar.data.image_decoding import Picture


@with_options(BackboneOptions)
def load_backbone(name: str, **options: Unpack[BackboneOptions]) -> Backbone:
    """Load the backbone F: image -> R^q (eq. 1 of the paper) that is registered as `name`.

    Parameters
    ----------
    name
        A registered name, or ``family:model``: ``efficientnet_lite0``, ``pixels``, ``timm:resnet18``.

    Returns
    -------
    Backbone
        Its `embed` may be called from several threads at once.

    Raises
    ------
    HowfarError
        `UnknownNameError` for the name, `InputError` for an option, `MissingPathError` for weights that are neither on disk nor
        can be downloaded, `MissingExtraError` for an absent library.

    Examples
    --------
    >>> from PIL import Image
    >>> backbone = load_backbone("colour_moments")
    >>> backbone.embed(backbone.prepare(Image.new("RGB", (640, 480), (255, 0, 51)))[None])
    array([[1. , 0. , 0.2, 0. , 0. , 0. ]], dtype=float32)
    """
    family, checked = family_and_options(name, options)
    return family.build(checked)


def family_and_options(name: str, options: BackboneOptions) -> tuple[BackboneFamily, Options]:
    """Return a backbone name's family and the checked options; raises the errors of `load_backbone` without building."""
    registered, _, model = name.partition(":")
    family = _family(registered)
    options = with_channels(options)
    if model and options.setdefault("model", model) != model:
        raise InputError.of("model", f"must be named once, and {name!r} names {model!r}", options["model"])
    return family, family.options(options)


def with_channels(options: BackboneOptions) -> BackboneOptions:
    """Feed a backbone as many bands as the user's reading of pixels has, where nothing else is said."""
    bands = reading_asked().channels
    return options if bands == 3 or options.get("channels") else {**options, "channels": bands}


def takes(name: str) -> tuple[str, ...]:
    """List the options of `load_backbone` that a named backbone reads; an unknown name raises `UnknownNameError`."""
    return _family(name.partition(":")[0]).takes


def card_of(name: str) -> Card:
    """Describe the backbone of a registered name; an unknown name raises `UnknownNameError`."""
    return _family(name.partition(":")[0]).card


def cards() -> list[Card]:
    """List every registered backbone family without loading any network; a package that fails to import gives its reason."""
    listed = []
    for name in registry.names("backbones"):
        try:
            listed.append(replace(_family(name).card, name=name))
        except HowfarError as error:
            listed.append(Card(name, None, "", "", "", str(error)))
    return listed


def _family(name: str) -> BackboneFamily:
    try:
        family = registry.load("backbones", name)
    except UnknownNameError:
        raise
    # Another package's module may fail in any way at import, and must not break the list of the others.
    except Exception as error:
        raise MissingExtraError(f"backbone {name!r} cannot be loaded: {type(error).__name__}: {one_line(error)}") from error
    if not isinstance(family, BackboneFamily):
        rule = "must be registered as a howfar.backbones.BackboneFamily"
        raise InputError.of(f"backbone {name!r}", rule, type(family).__name__)
    return family


@dataclass(eq=False)
class _Block:
    """Hold torch's thread count from before a block; None until torch is loaded."""

    before: int | None = None

    def limit(self, torch: Any) -> None:
        """Give torch one thread, once."""
        if self.before is None:
            self.before = torch.get_num_threads()
            torch.set_num_threads(1)


_BLOCKS: list[_Block] = []


@contextmanager
def one_torch_thread_each() -> Iterator[None]:
    """Limit torch to one thread per worker within the block, and restore the thread count afterwards.

    Enter it before the workers start (a thread that has used torch keeps its number) and after the backbone is loaded (which
    loads torch). Where torch is not loaded, it does nothing until a `KnownBackbone` loads it.
    """
    block = _Block()
    if "torch" in sys.modules:
        block.limit(sys.modules["torch"])
    _BLOCKS.append(block)
    try:
        yield
    finally:
        _BLOCKS.remove(block)
        if block.before is not None:
            sys.modules["torch"].set_num_threads(block.before)


FOLDER: Final = "identities"
"""Records lie in it, beside the stored features of this machine, named by a hash of what the identity was computed from."""
_FORMAT: Final = 1
_LARGEST: Final = 1 << 20  # bytes of a record, at most
_CODE: Final = ("backbones", "weights", "segmenters")  # folders of howfar whose code decides on identities


@with_options(BackboneOptions)
def known_backbone(name: str, **options: Unpack[BackboneOptions]) -> Backbone:
    """Return the backbone of `howfar.load_backbone`; if its identity is on record, it is built only at the first embedding."""
    family, checked = family_and_options(name, options)
    made_of = _made_of(name, family, checked)
    if made_of is None:
        return family.build(checked)
    file = local_root() / FOLDER / f"{sha256(made_of.encode()).hexdigest()[:32]}.json"
    record = _read(file, made_of)
    if record is not None:
        return KnownBackbone(record, lambda: family.build(checked), file)
    built = family.build(checked)
    # Files that were replaced while the network was built may not be those that it was built of.
    if _made_of(name, family, checked) == made_of:
        _keep(file, made_of, built)
    return built


def _read(file: Path, made_of: str) -> dict[str, Any] | None:
    """Read an identity record; one that is missing, damaged or made from anything else is as good as none."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        data = file.read_bytes() if file.stat().st_size <= _LARGEST else b""
        if is_intact(data) and (record := json.loads(data))["made_of"] == made_of:
            return {key: record[key] for key in ("name", "layers", "identity", "batch_size")}
    return None


def _keep(file: Path, made_of: str, backbone: Any) -> None:
    """Write a backbone's identity record; a failed write is ignored."""
    record = {
        "made_of": made_of,
        "name": backbone.name,
        "layers": list(backbone.layers),
        "identity": dict(backbone.identity),
        "batch_size": getattr(backbone, "batch_size", None),
        SEAL: UNSEALED,
    }
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, sealed(json.dumps(record).encode()).decode())


class KnownBackbone:
    """Represent a backbone with known identity; the network is built once, when the first image is prepared or embedded.

    Pickled it is the built backbone, since another machine may have other files. A network that differs from its record raises
    `StoreError`, and the record is removed.
    """

    def __init__(self, record: Mapping[str, Any], build: Callable[[], Backbone], file: Path) -> None:
        self.name: str = record["name"]
        self.layers: tuple[int, ...] = tuple(record["layers"])
        self.identity: Mapping[str, Any] = record["identity"]
        batch_size: int | None = record["batch_size"]
        if batch_size is not None:
            self.batch_size = batch_size
        self._build, self._file = build, file
        self._lock = threading.Lock()
        self._built: Any = None

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Pickle the built backbone instead of this wrapper."""
        return _same, (self.built,)

    @property
    def built(self) -> Any:
        """Return the wrapped backbone, built at the first call."""
        with self._lock:
            if self._built is None:
                # Within `one_torch_thread_each` torch is loaded with one thread; if it is absent, the builder says so.
                with suppress(ImportError):
                    for block in _BLOCKS[-1:]:
                        block.limit(import_module("torch"))
                built = self._build()
                if dict(built.identity) != dict(self.identity) or tuple(built.layers) != self.layers:
                    with suppress(OSError):
                        self._file.unlink()
                    raise StoreError(f"{self.name} is another network than {self._file} says: run the same command again")
                self._built = built
        return self._built

    @property
    def busy(self) -> float | None:
        """Return the seconds of GPU computation; None on a CPU or before the backbone is built."""
        return None if self._built is None else getattr(self._built, "busy", None)

    @property
    def engine(self) -> str:
        """Return the name of the engine; ``not yet chosen`` before the backbone is built."""
        return "not yet chosen" if self._built is None else str(getattr(self._built, "engine", "torch"))

    def on(self, device: str) -> Any:
        """Return the built backbone on another device."""
        return self.built.on(device)

    @property
    def channels(self) -> Any:
        """Return how many bands the network is fed; None for any number."""
        return getattr(self.built, "channels", 3)

    def prepare(self, image: Picture) -> Any:
        """Turn an image into the network's input."""
        return self.built.prepare(image)

    def embed(self, batch: NDArray[Any]) -> Any:
        """Turn prepared images into features."""
        return self.built.embed(batch)


def _same(built: Any) -> Any:
    return built


def _made_of(name: str, family: BackboneFamily, options: Options) -> str | None:
    """Describe everything the identity depends on as text; None if that is unknown before building the network."""
    if family.origin is None or options.device.partition(":")[0] not in ("auto", "cpu"):
        return None
    try:
        origin = family.origin(options)
        if origin is None:
            return None
        # 128-bit XXH3 adds about a millisecond for the default backbone's 19 MB.
        files = {}
        for file in origin.files:
            with file.open("rb") as stream:
                files[str(file.absolute())] = file_digest(stream, xxhash.xxh3_128).hexdigest()
        code = code_stamp(*_CODE)
    except OSError:
        return None
    versions: dict[str, str | None] = dict.fromkeys(("howfar", *origin.packages))
    for package in versions:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    described = {
        "format": _FORMAT,
        "name": name,
        "options": {key: str(value) for key, value in asdict(options).items()},
        "files": files,
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "code": code,
    }
    return canonical(described)
