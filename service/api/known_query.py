"""Refuses unknown query parameters, whatever the method.

A misspelt filter would otherwise be ignored, and the unfiltered result returned.
"""

from fastapi import Request
from fastapi.dependencies.models import Dependant

from service.api.query_fields import get_query_fields
from service.errors import InvalidRequestError


def refuse_unknown_query(request: Request) -> None:
    """Checks that a request has only query parameters of its route.

    A route that reads the query by `get_query_fields` has that function's check instead.

    Raises:
        InvalidRequestError: a parameter is unknown; names it and the known parameters.
    """
    dependant: Dependant = request.scope["route"].dependant
    if any(inner.call is get_query_fields for inner in dependant.dependencies):
        return
    known = query_names(dependant)
    for name in request.query_params:
        if name not in known:
            choice = f"there are: {', '.join(known)}" if known else "this call has none"
            raise InvalidRequestError(f"query.{name}: no such parameter; {choice}")


def query_names(dependant: Dependant) -> list[str]:
    """Names of the query parameters of a route and of its dependencies."""
    names = [parameter.alias for parameter in dependant.query_params]
    return names + [name for inner in dependant.dependencies for name in query_names(inner)]
