"""What the OpenAPI page says of answers that no pydantic model describes.

Owns problem answers and media types; models are in `schemas.py`.
"""

from typing import Any

from service.api.error_status import KINDS, problem
from service.api.problems import MEDIA_TYPE
from service.api.schemas import EXAMPLE_ID
from service.errors import CytolibraError

SERVER = "http://127.0.0.1:8000"
SLIDE_PATH = f"/v1/slides/{EXAMPLE_ID}"


def problems(
    *classes: type[CytolibraError], instance: str = SLIDE_PATH
) -> dict[int | str, dict[str, Any]]:
    """The answers for these errors, with an example of each, for a route's `responses`."""
    answers: dict[int | str, dict[str, Any]] = {}
    for error_class in classes:
        kind = KINDS[error_class]
        entry = answers.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
                },
            },
        )
        text = (error_class.__doc__ or kind.title).strip()
        examples = entry["content"][MEDIA_TYPE]["examples"]
        examples[kind.name] = {"value": problem(kind, text, instance)}
        if len(examples) > 1:
            entry["description"] = "; ".join(
                example["value"]["title"] for example in examples.values()
            )
    return answers


def media(description: str, **examples: Any) -> dict[str, Any]:
    """An answer in other media types than JSON models.

    Args:
        description: of the answer.
        examples: by media type, "/" written as "__" and "+" as "_plus_".
    """
    content = {
        name.replace("__", "/").replace("_plus_", "+").replace("_", "-"): {
            "schema": {"type": "string"},
            "example": example,
        }
        for name, example in examples.items()
    }
    return {"description": description, "content": content}


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
