"""Where things are, as clients are told: paths from the host on, behind the prefix of a proxy.

Owns the links of a slide and of pages of the list; the prefix is found in `middleware/proxy.py`.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request

from service.api.version import SLIDES_PATH

#: What a slide's links are called, and what follows the slide's own path.
SUFFIXES = {
    "self": "",
    "report": "/report",
    "annotations": "/annotations",
    "events": "/events",
    "thumbnail": "/thumbnail.jpg",
    "cancel": "/cancel",
}


def get_root(request: Request) -> str:
    """The prefix under which the client sees the server, "" for none, else as "/lab"."""
    return str(request.scope.get("root_path", ""))


RootDep = Annotated[str, Depends(get_root)]


def slide_path(slide_id: str, root: str = "") -> str:
    """Path of a slide."""
    return f"{root}{SLIDES_PATH}/{slide_id}"


def slide_links(slide_id: str, root: str = "") -> dict[str, str]:
    """Paths of a slide and of everything that belongs to it, by name."""
    return {name: slide_path(slide_id, root) + suffix for name, suffix in SUFFIXES.items()}


def page_link(root: str, **query: Any) -> str:
    """Path of a page of the list of slides; members of the query that are None are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{root}{SLIDES_PATH}?{urlencode(given)}"


def move_under(root: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A slide's status that was written down without a prefix, with the links of this request."""
    return answer | {"links": {name: root + path for name, path in answer["links"].items()}}
