"""Reads the fields of a slide from the query of an upload.

Owns reading the query; names and limits are in `service/intake/fields.py`.
"""

from typing import Annotated

from fastapi import Depends, Request

from service.api.dependencies import ContextDep
from service.intake.fields import StatedFields


def get_query_fields(request: Request, context: ContextDep) -> StatedFields:
    """The fields in the query; a form may add more.

    Raises:
        UnknownFieldError: a parameter has an unknown name.
        InvalidRequestError: a value is invalid.
        FieldConflictError: a field has two different values.
        UnknownDetectorError: no detector has the stated name; the form's fields are checked, too.
    """
    # An unknown detector is refused before the upload, which may take an hour.
    fields = StatedFields({"detector": context.catalogue.find})
    for name, text in request.query_params.multi_items():
        fields.add(name, text, "the query")
    return fields


QueryFieldsDep = Annotated[StatedFields, Depends(get_query_fields)]
