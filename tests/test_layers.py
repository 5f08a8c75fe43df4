"""Files never import each other in a circle, wherever in a file an import stands."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import howfar

SOURCE = Path(howfar.__file__).parent


def modules(source: Path) -> dict[str, Path]:
    """Map every module below a package's folder to its file; a package stands for its `__init__`."""
    parts = {file: file.relative_to(source.parent).with_suffix("").parts for file in source.rglob("*.py")}
    return {".".join(names).removesuffix(".__init__"): file for file, names in parts.items()}


def imports(file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules that a file imports at its top, in its functions or for type checking."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else str(node.module) for name in below)


def circle(source: Path) -> list[str]:
    """Find a circle of modules that import each other, the first one again at the end; empty where there is none."""
    known = modules(source)
    # The package's own file loads its names on first use.
    graph = {name: set(imports(file, known)) for name, file in known.items() if name != source.name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle():
    assert circle(SOURCE) == []


def test_a_circle_is_found_inside_functions_too(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "roof.py").write_text("from house.wall import brick\n")
    (package / "wall.py").write_text("def brick():\n    from house import roof\n")
    assert set(circle(package)) == {"house.roof", "house.wall"}


def classes(source: Path) -> list[str]:
    """List the names of public classes that two modules of a package define."""
    names = [
        node.name
        for file in source.rglob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    return sorted({name for name in names if names.count(name) > 1})


def test_no_public_class_name_occurs_twice(tmp_path):
    for name in ("roof", "wall"):
        (tmp_path / f"{name}.py").write_text("class Brick: ...\n\n\nclass _Joint: ...\n")
    assert classes(tmp_path) == ["Brick"]
    assert classes(SOURCE) == []


def test_no_module_name_occurs_twice():
    """Folders count too."""
    names = [file.stem for file in SOURCE.rglob("*.py") if not file.stem.startswith("__")]
    names += [file.parent.name for file in SOURCE.rglob("__init__.py") if file.parent != SOURCE]
    assert sorted({name for name in names if names.count(name) > 1}) == []
