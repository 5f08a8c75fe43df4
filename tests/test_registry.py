import sys
from importlib import metadata
from types import ModuleType, SimpleNamespace

import pytest

from howfar import registry
from howfar.errors import InputError, UnknownNameError


@pytest.mark.parametrize("kind", list(registry.OURS))
def test_every_registered_name_loads(kind):
    for name in registry.OURS[kind]:
        assert name in registry.names(kind)
        assert registry.load(kind, name) is not None


def test_a_miss_lists_the_known_names_and_the_nearest_and_an_unknown_kind_is_refused():
    with pytest.raises(UnknownNameError, match=r"known: .*knn.*did you mean 'mahalanobis'"):
        registry.load("image_distances", "mahalanobs")
    with pytest.raises(LookupError):
        registry.load("figures", "pie")
    with pytest.raises(InputError, match="kind"):
        registry.names("colours")


def test_what_is_installed_is_read_once_until_a_folder_of_packages_changes(tmp_path, monkeypatch):
    reads: list[int] = []
    read = metadata.entry_points
    monkeypatch.setattr(metadata, "entry_points", lambda: reads.append(1) or read())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "theirs" not in registry.names("figures")
    registry.names("backbones")
    assert len(reads) == 1
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[howfar.figures]\ntheirs = theirs:figure\n")
    assert "theirs" in registry.names("figures")
    assert len(reads) == 2
    assert registry.registered_by({"theirs", "pytest"}) == "theirs, which theirs registered in howfar.figures"
    assert registry.registered_by({"theirs.drawing", "pytest"}) == "theirs, which extends howfar"
    assert registry.registered_by({"howfar", "pytest"}) == ""


LACKS = {"estimators": "kind, resolve, fit, restore", "strategies": "nested, pick, reason"}


@pytest.mark.parametrize(("kind", "lacks"), LACKS.items())
def test_an_object_of_another_package_that_lacks_something_is_refused_by_name(kind, lacks, monkeypatch):
    module = ModuleType("elsewhere")
    module.half = SimpleNamespace(name="half", needs=("i_dist",))
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    point = metadata.EntryPoint("half", "elsewhere:half", f"howfar.{kind}")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    with pytest.raises(InputError, match=rf"{kind} half of elsewhere must have name, .* and lacks {lacks}: see"):
        registry.load(kind, "half")
