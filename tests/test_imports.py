"""Imports point one way (see CONTRIBUTING): walks the syntax trees of the whole package, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "clickwise"

# Lowest first. Members of one layer do not import each other; a layer imports only what stands before it.
LAYERS: list[set[str]] = [
    {"errors", "nearest"},
    {"types"},
    {"clicks"},
    {"imaging"},
    {"assets"},
    {"formats", "models", "losses", "metrics"},
    {"data", "weights"},
    {"export"},
    {"engines"},
    {"inference"},
    {"evaluation"},
    {"training"},
    {"recipes"},
    {"annotate"},
    {"benchmark"},
    {"cli"},
]
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}
STRANGERS = [("annotate", "training"), ("annotate", "recipes"), ("annotate", "evaluation")]
"""Rooms that never meet although one stands above the other."""
TORCH_FREE = [
    "errors.py",
    "nearest.py",
    "types.py",
    "clicks/click.py",
    "formats",
    "assets",
    "weights/zoo.py",
    "weights/hub.py",
    "weights/fetch.py",
    "cli/main.py",
    "annotate/document.py",
    "annotate/store.py",
    "annotate/protocol.py",
    "annotate/commands.py",
    "annotate/shapes.py",
    "annotate/client.py",
    "annotate/deltas.py",
    "annotate/row_runs.py",
    "annotate/networks.py",
    "annotate/decoded.py",
    "annotate/states.py",
    "annotate/session.py",
    "annotate/server",
]


def imports_of(file: Path) -> Iterator[str]:
    """Dotted names that a file imports anywhere, type-checking blocks and functions included."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Path]:
    return sorted(file for file in PACKAGE.rglob("*.py") if file.parent != PACKAGE or file.stem in LEVEL)


def room_of(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "clickwise" and len(parts) > 1 else None


def faults(file: Path) -> Iterator[str]:
    where = file.relative_to(PACKAGE)
    home = where.parts[0].removesuffix(".py")
    for name in imports_of(file):
        room = room_of(name)
        if room is None or room == home:
            continue
        if room not in LEVEL:
            if home != "cli":  # `from clickwise import evaluate`: the public face, for the top only
                yield f"{where} imports {name}, which is in no layer"
        elif LEVEL[room] >= LEVEL[home] or (home, room) in STRANGERS:
            yield f"{where} imports {name}: {home} must not know {room}"


def test_every_room_has_a_layer() -> None:
    rooms = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms <= set(LEVEL), f"give these a layer in {Path(__file__).name}: {sorted(rooms - set(LEVEL))}"


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    assert not list(faults(file))


def closure(file: Path) -> dict[str, Path]:
    """Names imported while this file is being imported, with who asks, through the modules of our own package."""
    seen: dict[str, Path] = {}
    todo = [file]
    done: set[Path] = set()
    while todo:
        current = todo.pop()
        if current in done:
            continue
        done.add(current)
        for name in imports_at_load(current):
            seen.setdefault(name.partition(".")[0], current)
            todo.extend(files_behind(name))
    return seen


def imports_at_load(file: Path) -> Iterator[str]:
    """Dotted names imported when the module is loaded: not in functions, not under TYPE_CHECKING."""
    todo: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                todo.append(node)


def files_behind(dotted: str) -> list[Path]:
    """Files of our package that importing this name loads: the packages on the way and the module."""
    parts = dotted.split(".")
    if parts[0] != "clickwise":
        return []
    found = []
    for end in range(2, len(parts) + 1):
        base = PACKAGE.joinpath(*parts[1:end])
        found += [f for f in (base / "__init__.py", base.with_suffix(".py")) if f.is_file()]
    return found


@pytest.mark.parametrize("name", TORCH_FREE)
def test_these_load_without_torch(name: str) -> None:
    start = PACKAGE / name
    if not start.exists():
        pytest.skip(f"{name} is not built yet")
    for file in sorted(start.rglob("*.py")) if start.is_dir() else [start]:
        heavy = (
            {"torch", "cv2", "matplotlib"} & set(closure(file))
            if name.startswith("cli")
            else {"torch"} & set(closure(file))
        )
        assert not heavy, f"{file} loads {heavy} by {closure(file)[next(iter(heavy))]}"
