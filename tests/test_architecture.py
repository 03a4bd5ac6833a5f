"""Imports point one way, as the design lays down; read from the source, also inside functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: What each layer may import of our own packages, longest prefix first.
ALLOWED = {
    "service.pipeline.types": ("models.classes", "models.detector"),
    "service.pipeline": ("service.pipeline", "service.errors", "models"),
    "service.exports": ("service.exports", "service.pipeline.types", "service.errors"),
    "service.storage": ("service.storage", "service.pipeline", "service.errors", "models"),
    "service.jobs": (
        "service.jobs",
        "service.storage",
        "service.pipeline",
        "service.exports",
        "service.errors",
        "service.settings",
        "service.logs",
        "models",
    ),
    "service.api": ("service", "models"),
    "service.cli": ("service", "models"),
    "service.demo": ("service", "models"),
    "service.settings": ("service.errors",),
    "service.errors": ("models.errors",),
    "service.logs": ("service.errors",),
    "models": ("models",),
}
HTTP_AND_DATABASES = {"fastapi", "starlette", "uvicorn", "httpx", "sqlalchemy", "alembic", "dbos"}


def modules() -> list[Path]:
    return sorted(
        path for package in ("service", "models") for path in (ROOT / package).rglob("*.py")
    )


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    layer = next((prefix for prefix in ALLOWED if is_under(module, prefix)), None)
    if layer is None:
        assert module == "service.__init__"
        return
    for name in imports_of(path):
        if name.split(".")[0] in ("service", "models"):
            assert any(is_under(name, prefix) for prefix in ALLOWED[layer]), f"{module} -> {name}"


def test_the_pipeline_knows_no_http_and_no_database() -> None:
    for path in (ROOT / "service/pipeline").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert not roots & HTTP_AND_DATABASES, path


def test_mmdet_stays_in_models() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert not roots & {"mmdet", "mmcv", "mmengine"}, path


def test_tests_mirror_the_tree() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        parts = path.relative_to(ROOT / "tests").parts
        if parts[0] not in ("service", "models"):
            continue
        package = ROOT.joinpath(*parts[:-1])
        assert package.is_dir(), f"{path} mirrors no package"
