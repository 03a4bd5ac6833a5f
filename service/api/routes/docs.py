"""The OpenAPI description, as JSON and as a page that works without the internet.

Owns both and the page's files; Swagger UI's own come from the package `fastapi-offline`, from which
nothing else is used.
"""

from importlib.resources import files

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from service.api.documentation import SERVER
from service.api.links import RootDep
from service.api.representations import check_conditions, entity_tag

router = APIRouter(include_in_schema=False)

#: Everything from this server. Swagger UI's pictures are data within its style sheet, it shows
#: pictures in answers as blobs, and it sets no styles inside HTML.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Package, path in it and media type of each file of the page.
FILES = {
    "swagger-ui-bundle.js": ("fastapi_offline", "static", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "static", "text/css"),
    "initialise.js": ("service.api", "docs_page", "text/javascript"),
}


@router.get("/")
def go_to_docs(root: RootDep) -> RedirectResponse:
    """Redirects from the root to the page."""
    return RedirectResponse(f"{root}/docs")


@router.get("/docs")
def get_page() -> Response:
    """The page; its links are relative, so that it works under any prefix."""
    page = files("service.api").joinpath("docs_page", "index.html").read_bytes()
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(page, headers=headers, media_type="text/html")


@router.get("/docs/{name}")
def get_file(request: Request, name: str) -> Response:
    """A file that the page loads."""
    if name not in FILES:
        raise HTTPException(404)
    package, folder, media_type = FILES[name]
    data = files(package).joinpath(folder, name).read_bytes()
    tag = entity_tag(name, data.hex())
    headers = {"ETag": f'"{tag}"', "Cache-Control": "public, no-cache"}
    unchanged = check_conditions(request, headers, tag)
    return unchanged or Response(data, headers=headers, media_type=media_type)


@router.get("/openapi.json")
def get_description(request: Request, root: RootDep) -> Response:
    """The OpenAPI description, with the address at which this client sees the server."""
    description = request.app.openapi() | {"servers": [{"url": root or "/"}]}
    address = f"{request.url.scheme}://{request.url.netloc}{root}"
    body = orjson.dumps(description).replace(SERVER.encode(), _within_json(address))
    return Response(body, media_type="application/json")


def _within_json(text: str) -> bytes:
    return orjson.dumps(text)[1:-1]
