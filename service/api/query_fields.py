"""Reads the fields of a slide from the query of an upload.

Owns reading the query; names and limits are in `service/intake/fields.py`.
"""

from typing import Annotated

from fastapi import Depends, Request

from service.intake.fields import StatedFields


def get_query_fields(request: Request) -> StatedFields:
    """The fields in the query; a form may add more.

    Raises:
        UnknownFieldError: a parameter has an unknown name.
        InvalidRequestError: a value is invalid.
        FieldConflictError: a field has two different values.
    """
    fields = StatedFields()
    for name, text in request.query_params.multi_items():
        fields.add(name, text, "the query")
    return fields


QueryFieldsDep = Annotated[StatedFields, Depends(get_query_fields)]
