"""OpenAPI descriptions of responses that no pydantic model describes.

Owns problem responses and media types; models are in `schemas.py`.
"""

from typing import Any

from service.api.error_status import HTTP_KINDS, KINDS, ProblemKind, problem
from service.api.problems import MEDIA_TYPE, RETRY_STATUSES
from service.api.schemas import EXAMPLE_ID, EXAMPLE_LINKS, EXAMPLE_PROBLEM
from service.errors import CytolibraError

SERVER = "http://127.0.0.1:8000"
PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "description": "Seconds after which to retry.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
LOCATION: dict[str, Any] = {
    "Location": {
        "description": "URL path of the slide, equal to `links.self`.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": EXAMPLE_LINKS["self"],
    }
}
#: Headers of results, for conditional requests and ranges.
VALIDATORS: dict[str, Any] = {
    "ETag": {
        "description": "Strong entity tag, for If-None-Match, If-Match and If-Range.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "The client may store the result and must revalidate it.",
        "required": True,
        "schema": {"type": "string"},
    },
}
CONTENT_RANGE: dict[str, Any] = {
    "Content-Range": {
        "description": "First and last byte of the part, and length of the whole result.",
        "required": True,
        "schema": {"type": "string"},
    }
}


def problems(
    *classes: type[CytolibraError], instance: str = EXAMPLE_LINKS["self"]
) -> dict[int | str, dict[str, Any]]:
    """Responses for these errors, with an example of each, for a route's `responses`."""
    kinds = [
        (KINDS[error_class], (error_class.__doc__ or "").strip() or KINDS[error_class].title)
        for error_class in classes
    ]
    return _responses(kinds, instance)


def http_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses for refusals by HTTP's own rules, for a route's `responses`."""
    return _responses([(HTTP_KINDS[status], HTTP_KINDS[status].title) for status in statuses])


def any_problem() -> dict[str, Any]:
    """The response for all other errors."""
    content = {"schema": PROBLEM_SCHEMA, "example": EXAMPLE_PROBLEM}
    return {"description": "Any other error.", "content": {MEDIA_TYPE: content}}


def _responses(
    kinds: list[tuple[ProblemKind, str]], instance: str = EXAMPLE_LINKS["self"]
) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {}
    for kind, detail in kinds:
        content: dict[str, Any] = {"schema": PROBLEM_SCHEMA, "examples": {}}
        response = responses.setdefault(kind.status, {"content": {MEDIA_TYPE: content}})
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[kind.name] = {"value": problem(kind, detail, instance)}
        titles = [example["value"]["title"] for example in examples.values()]
        response["description"] = "; ".join(titles)
        if kind.status in RETRY_STATUSES:
            response["headers"] = RETRY_AFTER
        if kind.status == 416:
            response["headers"] = CONTENT_RANGE
    return responses


def media(
    description: str, headers: dict[str, Any] | None = None, **examples: Any
) -> dict[str, Any]:
    """A response in media types other than JSON models.

    Args:
        description: of the response.
        headers: of the response, by name.
        examples: by media type, "/" written as "__" and "+" as "_plus_"; objects for JSON, else
            text.
    """
    content = {
        name.replace("__", "/").replace("_plus_", "+").replace("_", "-"): {
            "schema": {"type": "object" if isinstance(example, dict) else "string"},
            "example": example,
        }
        for name, example in examples.items()
    }
    return {"description": description, "content": content, "headers": headers or {}}


def complete_schema(schema: dict[str, Any]) -> None:
    """Adds the parts of an OpenAPI schema that are the same for all operations."""
    for methods in schema["paths"].values():
        for operation in methods.values():
            # FastAPI describes 422 for wrong parameters; this API answers 400.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            operation["responses"]["default"] = any_problem()
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    add_samples(schema)


def add_samples(schema: dict[str, Any]) -> None:
    """Adds a shell sample to every operation of an OpenAPI schema that has no sample."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            query = [
                f"{parameter['name']}={_example(parameter)}"
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query" and _example(parameter) is not None
            ]
            address = SERVER + path.replace("{slide_id}", EXAMPLE_ID)
            address += "?" + "&".join(query) if query else ""
            verb = "" if method == "get" else f"-X {method.upper()} "
            line = {"lang": "Shell", "source": f"curl {verb}'{address}'"}
            operation.setdefault("x-codeSamples", [line])


def _example(parameter: dict[str, Any]) -> Any:
    examples = parameter["schema"].get("examples")
    return examples[0] if examples else parameter["schema"].get("default")
