"""Refuses unknown query parameters.

A misspelt filter would otherwise be ignored, and the unfiltered result returned.
"""

from fastapi import Request
from fastapi.dependencies.models import Dependant

from service.errors import InvalidRequestError


def refuse_unknown_query(request: Request) -> None:
    """Checks that a GET has only query parameters of its route.

    Raises:
        InvalidRequestError: a parameter is unknown; names it and the known parameters.
    """
    if request.method != "GET":
        return
    known = query_names(request.scope["route"].dependant)
    for name in request.query_params:
        if name not in known:
            choice = f"there are: {', '.join(known)}" if known else "this call has none"
            raise InvalidRequestError(f"query.{name}: no such parameter; {choice}")


def query_names(dependant: Dependant) -> list[str]:
    """Names of the query parameters of a route and of its dependencies."""
    names = [parameter.alias for parameter in dependant.query_params]
    return names + [name for inner in dependant.dependencies for name in query_names(inner)]
