"""What the query of a call states of the slide that comes with it.

Owns reading the query; names and limits are in `service/intake/fields.py`.
"""

from typing import Annotated

from fastapi import Depends, Request

from service.intake.fields import StatedFields


def get_query_fields(request: Request) -> StatedFields:
    """The fields in the query; a form may state more.

    Raises:
        UnknownFieldError: the query holds a name that is not known.
        InvalidRequestError: a value is none that its field takes.
        FieldConflictError: the query states a field twice, differently.
    """
    fields = StatedFields()
    for name, text in request.query_params.multi_items():
        fields.add(name, text, "the query")
    return fields


QueryFieldsDep = Annotated[StatedFields, Depends(get_query_fields)]
