"""The parameters of the calls: type, limits, and what the OpenAPI page says of each.

Owns what a value may be; what is done with it is left to the routes, and what may be stated of a
slide that is sent to `service/intake/fields.py`.
"""

from typing import Annotated

from fastapi import Header, Query

from service.api.cursor import CURSOR_PATTERN
from service.exports.formats import Format
from service.exports.frame import Origin
from service.storage.tables import Status

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The same key and request again gives the first answer again.",
        min_length=1,
        max_length=255,
    ),
]

OnlyStatus = Annotated[Status | None, Query(description="Only slides of this status.")]
Cursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR_PATTERN,
        description="Where the page begins, as `links.next` of the page before has it.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]

AnnotationFormat = Annotated[Format, Query(description="GeoJSON opens in QuPath.")]

Labels = Annotated[
    list[str] | None,
    Query(description="Only these classes; repeat it or separate by commas.", examples=["HSIL"]),
]

MinScore = Annotated[
    float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Only from this score on.")
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
        description="`slide`: level-0 px. `bounds`: minus the corner of the scanned area, as "
        "QuPath has it by default; the same unless the slide states bounds.",
    ),
]
