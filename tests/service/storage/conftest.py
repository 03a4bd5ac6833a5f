"""A results database in a file, new for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from service.storage.database import migrate, open_database, results_url
from service.storage.new_slide import NewSlide
from service.storage.results import Slides


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(results_url(tmp_path / "results.sqlite"))
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def slides(engine: Engine) -> Slides:
    return Slides(engine)


@pytest.fixture
def new_slide() -> Callable[..., NewSlide]:
    def make(sha256: str = "a" * 64, mpp: float | None = None) -> NewSlide:
        return NewSlide(
            id=str(uuid4()),
            sha256=sha256,
            detector="default",
            detector_digest="sha256:" + "0" * 64,
            mpp=mpp,
            accession=None,
            filename="slide.svs",
            suffix=".svs",
            size_bytes=10,
        )

    return make
