"""The OpenAPI page: every call with its parameters, bodies and examples, as plain HTML.

Owns the page. It needs nothing from elsewhere, for laboratories' networks often reach no further,
and the usual page loads its scripts from the internet.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-bottom: 1px solid #ccc; margin-top: 3rem; }
h3 code { font-size: 1rem; } h3 b { color: #fff; background: #37474f; padding: 0 .5em; }
pre { background: #f5f5f5; padding: .7rem; overflow-x: auto; font-size: .85rem; }
table { border-collapse: collapse; } td, th { border: 1px solid #ccc; padding: .2rem .6rem;
text-align: left; vertical-align: top; } summary { cursor: pointer; }
"""


def draw_page(schema: dict[str, Any]) -> str:
    """An HTML page that says all that an OpenAPI schema says."""
    info = schema["info"]
    body = "".join(
        f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>"
        + "".join(_draw_calls(schema, tag["name"]))
        for tag in schema["tags"]
    )
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{_paragraphs(info['description'])}"
        f'<p>For programs: <a href="/openapi.json">openapi.json</a></p>{body}</body></html>'
    )


def _draw_calls(schema: dict[str, Any], tag: str) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            if tag in call["tags"]:
                yield _draw_call(schema, path, method, call)


def _draw_call(schema: dict[str, Any], path: str, method: str, call: dict[str, Any]) -> str:
    samples = "".join(_pre(sample["source"]) for sample in call.get("x-codeSamples", ()))
    answers = "".join(
        _draw_answer(schema, status, answer) for status, answer in call["responses"].items()
    )
    return (
        f'<h3 id="{call["operationId"]}"><b>{method.upper()}</b> <code>{escape(path)}</code> '
        f"{escape(call['summary'])}</h3>{_paragraphs(call['description'])}{samples}"
        f"{_draw_parameters(call.get('parameters', []))}{answers}"
    )


def _draw_parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{escape(each.get('description', ''))}{_default(each['schema'])}</td></tr>"
        for each in parameters
    )
    return f"<table><tr><th>name</th><th>in</th><th>meaning</th></tr>{rows}</table>"


def _default(schema: dict[str, Any]) -> str:
    return f" Default: {escape(str(schema['default']))}." if "default" in schema else ""


def _draw_answer(schema: dict[str, Any], status: str, answer: dict[str, Any]) -> str:
    examples = "".join(
        f"<p><code>{escape(kind)}</code></p>" + "".join(map(_pre, _examples(schema, content)))
        for kind, content in answer.get("content", {}).items()
    )
    head = f"{status}: {escape(answer['description'])}"
    return (
        f"<details><summary>{head}</summary>{examples}</details>" if examples else f"<p>{head}</p>"
    )


def _examples(schema: dict[str, Any], content: dict[str, Any]) -> Iterator[str]:
    """Those of a media type, else those of the model that it refers to."""
    found = [each["value"] for each in content.get("examples", {}).values()]
    if "example" in content:
        found.append(content["example"])
    model = content.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
    if not found:
        found = schema["components"]["schemas"].get(model, {}).get("examples", [])
    for each in found:
        yield each if isinstance(each, str) else json.dumps(each, indent=2, ensure_ascii=False)


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _paragraphs(text: str) -> str:
    plain = escape(text.strip()).replace("**", "").replace("`", "")
    return "".join(
        f"<p>{part.replace(chr(10), '<br>') if part[0].isdigit() else part}</p>"
        for part in plain.split("\n\n")
    )
