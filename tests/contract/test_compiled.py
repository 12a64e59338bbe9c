"""What is compiled (`setup.py`) is there, and needs no library that may be missing: mypyc looks into all that a module
imports, for its types alone, too, and the image has none for traces."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPTIONAL = ("opentelemetry", "spnego", "atheris", "PIL")


def compiled() -> list[Path]:
    """The files that `setup.py` lists; that is run by whoever builds, so its list is read out of it."""
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED":
            return [ROOT / name for name in written(node.value)]
    raise AssertionError("setup.py has no COMPILED")


def written(names: ast.expr) -> list[str]:
    """What one of the comprehensions comes to: all of a folder, or a few by name."""
    found: list[str] = []
    for part in ast.walk(names):
        if isinstance(part, ast.GeneratorExp) and isinstance(part.elt, ast.JoinedStr):
            words = next(each.value for each in ast.walk(part.generators[0].iter) if isinstance(each, ast.Constant))
            found += [ast.unparse(part.elt)[2:-1].replace("{name}", word) for word in str(words).split()]
    return found + [str(path.relative_to(ROOT)) for path in sorted((ROOT / "proxy/core").glob("[!_]*.py"))]


def imported(module: Path) -> set[str]:
    """Full names, those of what is imported from a package, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def test_what_is_compiled_is_there() -> None:
    files = compiled()
    assert len(files) > 60
    assert [path for path in files if not path.is_file()] == []
    assert len(set(files)) == len(files)


def test_what_is_compiled_reaches_no_library_that_may_be_missing() -> None:
    waiting, seen = compiled(), set[Path]()
    while waiting:
        module = waiting.pop()
        if module in seen or not module.is_file():
            continue
        seen.add(module)
        names = imported(module)
        assert {name.partition(".")[0] for name in names}.isdisjoint(OPTIONAL), module
        waiting += [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("proxy.")]
