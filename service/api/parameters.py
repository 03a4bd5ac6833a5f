"""Parameters of the operations: type, limits, and OpenAPI description.

Owns the valid values; their use is left to the routes, and the fields of an uploaded slide to
`service/intake/fields.py`.
"""

from typing import Annotated

from fastapi import Header, Query
from pydantic import BeforeValidator

from service.api.cursor import CURSOR_PATTERN
from service.exports.formats import Format
from service.exports.frame import Origin
from service.number_text import check_decimal
from service.storage.tables import Status

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A repeated request with the same key gets the response to the first.",
        min_length=1,
        max_length=255,
    ),
]

OnlyStatus = Annotated[Status | None, Query(description="Only slides of this status.")]
Cursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR_PATTERN,
        description="Where the page begins; taken from `links.next` of the previous page.",
    ),
]
Limit = Annotated[
    int,
    Query(ge=1, le=500, description="Maximum number of slides."),
    BeforeValidator(check_decimal),
]

AnnotationFormat = Annotated[Format, Query(description="GeoJSON opens in QuPath.")]

Labels = Annotated[
    list[str] | None,
    Query(description="Only these classes; repeat it or separate by commas.", examples=["HSIL"]),
]

MinScore = Annotated[
    float | None,
    Query(ge=0, le=1, allow_inf_nan=False, description="Only cells with at least this score."),
    BeforeValidator(check_decimal),
]

Bbox = Annotated[
    str | None,
    Query(
        description="Only cells whose centre lies in x1,y1,x2,y2, level-0 px.",
        examples=["0,0,5000,5000"],
    ),
]

CoordinateOrigin = Annotated[
    Origin,
    Query(
        description="Origin of the coordinates. `slide`: top left of level 0. `bounds`: top left "
        "of the scanned area, QuPath's default; equal unless the slide states bounds.",
    ),
]
