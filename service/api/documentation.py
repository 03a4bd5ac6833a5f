"""What the OpenAPI page says of answers that no pydantic model describes.

Owns problem answers and media types; models are in `schemas.py`.
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
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
LOCATION: dict[str, Any] = {
    "Location": {
        "description": "Where the slide is, the same as `links.self`.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": EXAMPLE_LINKS["self"],
    }
}
#: Of results: what a client that has one already needs to ask for no more than the rest.
VALIDATORS: dict[str, Any] = {
    "ETag": {
        "description": "Strong; the same for the same bytes. For If-None-Match and If-Range.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "A client may keep the result, and asks whether it still stands.",
        "required": True,
        "schema": {"type": "string"},
    },
}
CONTENT_RANGE: dict[str, Any] = {
    "Content-Range": {
        "description": "Which bytes of how many.",
        "required": True,
        "schema": {"type": "string"},
    }
}


def problems(
    *classes: type[CytolibraError], instance: str = EXAMPLE_LINKS["self"]
) -> dict[int | str, dict[str, Any]]:
    """The answers for these errors, with an example of each, for a route's `responses`."""
    kinds = [
        (KINDS[error_class], (error_class.__doc__ or "").strip() or KINDS[error_class].title)
        for error_class in classes
    ]
    return _answers(kinds, instance)


def http_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers for what HTTP itself refuses, for a route's `responses`."""
    return _answers([(HTTP_KINDS[status], HTTP_KINDS[status].title) for status in statuses])


def any_problem() -> dict[str, Any]:
    """The answer for all other errors."""
    content = {"schema": PROBLEM_SCHEMA, "example": EXAMPLE_PROBLEM}
    return {"description": "Any other error.", "content": {MEDIA_TYPE: content}}


def _answers(
    kinds: list[tuple[ProblemKind, str]], instance: str = EXAMPLE_LINKS["self"]
) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {}
    for kind, detail in kinds:
        content: dict[str, Any] = {"schema": PROBLEM_SCHEMA, "examples": {}}
        answer = answers.setdefault(kind.status, {"content": {MEDIA_TYPE: content}})
        examples = answer["content"][MEDIA_TYPE]["examples"]
        examples[kind.name] = {"value": problem(kind, detail, instance)}
        answer["description"] = "; ".join(each["value"]["title"] for each in examples.values())
        if kind.status in RETRY_STATUSES:
            answer["headers"] = RETRY_AFTER
        if kind.status == 416:
            answer["headers"] = CONTENT_RANGE
    return answers


def media(
    description: str, headers: dict[str, Any] | None = None, **examples: Any
) -> dict[str, Any]:
    """An answer in other media types than JSON models.

    Args:
        description: of the answer.
        headers: that it has, by name.
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
    """Adds to an OpenAPI schema what is the same for all calls."""
    for methods in schema["paths"].values():
        for call in methods.values():
            # FastAPI announces an answer of its own for wrong parameters; ours is 400.
            if "HTTPValidationError" in str(call["responses"].get("422")):
                del call["responses"]["422"]
            call["responses"]["default"] = any_problem()
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    add_samples(schema)


def add_samples(schema: dict[str, Any]) -> None:
    """Gives every call of an OpenAPI schema that has none a line for the shell, as an example."""
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            given = [
                f"{each['name']}={_example(each)}"
                for each in call.get("parameters", [])
                if each["in"] == "query" and _example(each) is not None
            ]
            address = SERVER + path.replace("{slide_id}", EXAMPLE_ID)
            address += "?" + "&".join(given) if given else ""
            verb = "" if method == "get" else f"-X {method.upper()} "
            line = {"lang": "Shell", "source": f"curl {verb}'{address}'"}
            call.setdefault("x-codeSamples", [line])


def _example(parameter: dict[str, Any]) -> Any:
    examples = parameter["schema"].get("examples")
    return examples[0] if examples else parameter["schema"].get("default")
