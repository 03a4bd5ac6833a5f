"""Imports point one way, as the design lays down; read from the source, also inside functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: What each layer may import of our own packages, longest prefix first.
ALLOWED = {
    # The report is only named there, for type checkers: what it is made of is defined beside.
    "service.pipeline.types": (
        "models.classes",
        "models.detector",
        "service.pipeline.report.model",
    ),
    "service.pipeline": ("service.pipeline", "service.errors", "models"),
    "service.composed_slides": (
        "service.composed_slides",
        "service.pipeline",
        "service.errors",
        "models",
    ),
    "service.training_fields": (
        "service.training_fields",
        "service.pipeline",
        "service.errors",
        "models",
    ),
    "service.exports": (
        "service.exports",
        "service.pipeline.types",
        "service.errors",
        "service.number_text",
    ),
    "service.storage": ("service.storage", "service.pipeline", "service.errors", "models"),
    "service.catalogue": ("service.pipeline", "service.errors", "models"),
    "service.intake": (
        "service.intake",
        "service.catalogue",
        "service.jobs",
        "service.storage",
        "service.pipeline",
        "service.errors",
        "service.number_text",
        "service.settings",
        "models",
    ),
    "service.jobs": (
        "service.jobs",
        "service.catalogue",
        "service.storage",
        "service.pipeline",
        "service.exports",
        "service.errors",
        "service.settings",
        "service.logs",
        "models",
    ),
    "service.api": (
        "service.api",
        "service.catalogue",
        "service.intake",
        "service.jobs",
        "service.storage",
        "service.pipeline",
        "service.exports",
        "service.errors",
        "service.number_text",
        "service.settings",
        "service.logs",
        "models",
    ),
    "service.cli": ("service", "models"),
    "service.cli.demo": ("service", "models"),
    "service.settings": ("service.errors", "models.inference.devices"),
    "service.number_text": (),
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
    package = path.relative_to(ROOT).parent.parts if path.is_relative_to(ROOT) else ()
    return imports_in(path.read_text(encoding="utf-8"), package)


def imports_in(source: str, package: tuple[str, ...]) -> set[str]:
    """Full names of what is imported, wherever in the source; relative ones are resolved."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            parent = ".".join([*start, *([node.module] if node.module else [])])
            found |= {f"{parent}.{alias.name}" for alias in node.names}
    return found


def wrong_arrows(module: str, imported: set[str]) -> list[str]:
    """Imports of our own packages that the module's layer may not make."""
    layer = next((prefix for prefix in ALLOWED if is_under(module, prefix)), None)
    ours = sorted(name for name in imported if name.split(".")[0] in ("service", "models"))
    if layer is None:
        return ours
    return [name for name in ours if not any(is_under(name, one) for one in ALLOWED[layer])]


def is_under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert any(is_under(module, prefix) for prefix in ALLOWED) or module == "service.__init__"
    assert wrong_arrows(module, imports_of(path)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("service.pipeline.merge", "from service.jobs import worker"),
        ("service.pipeline.merge", "def late():\n    import service.api.app"),
        ("service.pipeline.merge", "from ..storage import blobs"),
        ("service.pipeline.merge", "from service import exports"),
        ("service.exports.csv", "from service.pipeline.slide import open_slide"),
        ("service.exports.csv", "from ..pipeline.merge import merge_boxes"),
        ("service.storage.blobs", "from service.jobs.workflow import SlideJob"),
        ("service.pipeline.report", "from service.composed_slides import fit"),
        ("service.jobs.workflow", "from service.composed_slides import fit"),
        ("service.api.app", "from service.composed_slides import fit"),
        ("service.composed_slides.fit", "from service.jobs import worker"),
        ("service.training_fields.plan", "from service.exports.frame import Origin"),
        ("service.jobs.workflow", "from service.training_fields import plan"),
        ("models.training.run", "if True:\n    from service.errors import TrainingError"),
        ("service.api.app", "from service.cli import main"),
    ],
)
def test_a_wrong_arrow_is_seen(module: str, source: str) -> None:
    package = tuple(module.split(".")[:-1])
    assert wrong_arrows(module, imports_in(source, package))


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
