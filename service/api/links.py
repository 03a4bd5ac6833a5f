"""Links in responses: absolute paths, with the prefix of a reverse proxy.

Owns the links of slides and of pages of the list; `middleware/proxy.py` determines the prefix.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request

from service.api.version import SLIDES_PATH

#: Names of a slide's links, and the suffix of each to the slide's path.
SUFFIXES = {
    "self": "",
    "report": "/report",
    "annotations": "/annotations",
    "events": "/events",
    "thumbnail": "/thumbnail.jpg",
    "cancel": "/cancel",
}


def get_root(request: Request) -> str:
    """The path prefix under which the client reaches the server, e.g. "/lab"; "" for none."""
    return str(request.scope.get("root_path", ""))


RootDep = Annotated[str, Depends(get_root)]


def slide_path(slide_id: str, root: str = "") -> str:
    """Path of a slide."""
    return f"{root}{SLIDES_PATH}/{slide_id}"


def slide_links(slide_id: str, root: str = "") -> dict[str, str]:
    """Paths of a slide and of its results, by link name."""
    return {name: slide_path(slide_id, root) + suffix for name, suffix in SUFFIXES.items()}


def page_link(root: str, **query: Any) -> str:
    """Path of a page of the list of slides; query parameters that are None are left out."""
    stated = {name: value for name, value in query.items() if value is not None}
    return f"{root}{SLIDES_PATH}?{urlencode(stated)}"


def move_under(root: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The stored status of a slide, with the prefix of this request added to its links."""
    return answer | {"links": {name: root + path for name, path in answer["links"].items()}}
