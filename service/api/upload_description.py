"""OpenAPI description of sending a slide: query, form, raw body, and shell samples.

Owns that description; the fields and their limits come from `service/intake/fields.py`.
"""

from typing import Any

from service.api.documentation import SERVER
from service.api.upload_sinks import FILE_FIELD
from service.api.version import SLIDES_PATH
from service.intake.fields import field_schemas

BINARY = {"type": "string", "format": "binary"}
SAMPLES = (
    f"curl -F accession=C26-01234 -F file=@slide.svs {SERVER}{SLIDES_PATH}",
    "curl --data-binary @slide.svs -H 'Content-Type: application/octet-stream' "
    f"'{SERVER}{SLIDES_PATH}?filename=slide.svs&mpp=0.25'",
    'curl -F file=@slide.svs -H "Repr-Digest: '
    'sha-256=:$(openssl dgst -sha256 -binary slide.svs | base64):" '
    f"{SERVER}{SLIDES_PATH}",
)


def describe_upload() -> dict[str, Any]:
    """Parameters, request body and samples of the operation, in OpenAPI's form."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema.get("description", ""),
                "schema": schema,
            }
            for name, schema in field_schemas().items()
        ],
        "requestBody": {
            "required": True,
            "description": "The slide, as field `file` of a form or as the raw body. The other "
            "form fields, before or after the file, have the meaning of the query parameters of "
            "the same name; a field in both must have the same value.",
            "content": {
                "multipart/form-data": {"schema": _form_schema()},
                "application/octet-stream": {"schema": BINARY},
            },
        },
        "x-codeSamples": [{"lang": "Shell", "source": line} for line in SAMPLES],
    }


def _form_schema() -> dict[str, Any]:
    file = {**BINARY, "description": "The slide."}
    return {
        "type": "object",
        "required": [FILE_FIELD],
        "properties": {**field_schemas(), FILE_FIELD: file},
        "additionalProperties": False,
    }
