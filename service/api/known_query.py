"""Refuses query parameters that a call does not have.

A misspelt filter would otherwise be ignored, and everything given back as if nothing were wrong.
"""

from fastapi import Request
from fastapi.dependencies.models import Dependant

from service.errors import InvalidRequestError


def refuse_unknown_query(request: Request) -> None:
    """Passes unless a GET has a parameter that its call does not have.

    Raises:
        InvalidRequestError: it has; names it and those that there are.
    """
    if request.method != "GET":
        return
    known = query_names(request.scope["route"].dependant)
    for name in request.query_params:
        if name not in known:
            choice = f"there are: {', '.join(known)}" if known else "this call has none"
            raise InvalidRequestError(f"query.{name}: no such parameter; {choice}")


def query_names(dependant: Dependant) -> list[str]:
    """Names of the query parameters of a call and of all that it depends on."""
    own = [parameter.alias for parameter in dependant.query_params]
    return own + [name for inner in dependant.dependencies for name in query_names(inner)]
