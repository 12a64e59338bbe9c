"""The floors of the house, read from the syntax trees: imports go down only, and the core is pure."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "proxy"
FLOORS = [
    {"errors", "names", "secret", "urls", "identity", "model", "traffic", "ports", "backlog", "__init__"},
    {"core"},
    {"credentials", "upstream", "state", "telemetry", "users", "runtime", "server_info", "refusals", "links", "files"},
    {"pipeline", "attempts", "plan", "shape", "cached"},
    {"web", "settings", "explain", "policy"},
    {
        "assemble",
        "providers",
        "workers",
        "demo",
        "live_check",
        "samples",
        "hardening",
        "eventloop",
        "notify",
        "overview",
        "usage",
        "console",
        "cli",
        "__main__",
    },
]
SIMULATOR = "simulator"
IMPURE = {"asyncio", "aiohttp", "logging", "time", "os", "random", "socket", "pathlib", "threading", "subprocess"}
LONG = {"pipeline.py": 200}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: Path) -> str:
    """The first name below the package: a folder or a module."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if name in names)


def imports(module: Path) -> set[str]:
    """Every module that is imported, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(module: Path) -> set[str]:
    """The parts of our own package that it imports."""
    return {name.split(".")[1] for name in imports(module) if name.startswith("proxy.")} - {"__version__"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_go_down_only(module: Path) -> None:
    own = part(module)
    if own == SIMULATOR:
        assert inside(module) <= {"names", SIMULATOR}
        return
    for imported in inside(module) - {own}:
        if imported == SIMULATOR:
            assert own in ("cli", "demo")
            continue
        assert floor(imported) <= floor(own), f"{own} imports {imported}"
        # web and settings do not know each other
        assert {own, imported} != {"web", "settings"}


@pytest.mark.parametrize("module", sorted((PACKAGE / "core").glob("*.py")), ids=lambda module: module.stem)
def test_the_core_is_pure(module: Path) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & IMPURE


def test_aiohttp_serves_in_one_place_and_asks_nowhere() -> None:
    for module in MODULES:
        if part(module) in (SIMULATOR, "demo", "assemble", "web"):
            continue
        assert not any(name.startswith("aiohttp") for name in imports(module)), module


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_says_what_it_is_and_stays_short(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module opens with a sentence"
    assert text.count("\n") <= LONG.get(module.name, 320), "300 lines is the bound; what is longer needs a reason"


def test_secrets_are_revealed_in_few_places() -> None:
    places = {
        str(module.relative_to(PACKAGE)) for module in MODULES if ".reveal()" in module.read_text(encoding="utf-8")
    }
    assert places == {
        "core/digest.py",
        "core/inject.py",
        "core/parameters.py",
        "credentials/kerberos.py",
        "credentials/probe.py",
        "credentials/service.py",
        "credentials/sharing.py",
        "credentials/windows.py",
        "settings/compiled_state.py",
        "settings/legacy/write.py",
        "state/link.py",
        "state/sealing.py",
        "upstream/conceal.py",
        "upstream/outbound.py",
        "upstream/certificates.py",
        "web/admin_guard.py",
        "workers/parcel.py",
        "workers/supervisor.py",
    }


def test_header_names_are_spelled_in_one_place() -> None:
    literals = ("x-esri-authorization", "set-cookie", "access-control-", "www-authenticate", "x-forwarded-")
    for module in MODULES:
        if part(module) in ("names", SIMULATOR):
            continue
        tree = ast.parse(module.read_text(encoding="utf-8"))
        words = {
            n.value.lower()
            for n in ast.walk(tree)
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and " " not in n.value
        }
        assert not {word for word in words if word.startswith(literals)}, module
