"""Health, metrics, detectors, and the page that describes it all."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.running_server import RunningServer


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_server_is_alive_and_ready(server: RunningServer, prefix: str) -> None:
    assert server.client.get(f"{prefix}/healthz").json() == {"status": "ok"}
    ready = server.client.get(f"{prefix}/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "database": True, "worker": True, "disk_space": True}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probe_outside_of_the_version_may_have_parameters(server: RunningServer, path: str) -> None:
    assert server.client.get(f"{path}?_=1").status_code == 200


def test_detectors_are_listed(server: RunningServer) -> None:
    (detector,) = server.client.get("/v1/detectors").json()["detectors"]
    assert detector["name"] == "fake"
    assert detector["classes"][0]["name"] == "NILM"


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_metrics_say_what_was_done(server: RunningServer, done: dict[str, Any], path: str) -> None:
    text = server.client.get(path).text
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    assert all(sample.name.startswith("cytolibra_") for sample in samples)
    assert done["id"] not in text
    values = {
        sample.name: sample.value
        for sample in samples
        if sample.labels.get("outcome", "done") == "done"
    }
    assert values["cytolibra_cells_total"] >= 100
    assert values["cytolibra_tiles_total"] >= done["tiles_total"]
    assert values["cytolibra_analysis_duration_seconds_count"] >= 1
    assert values["cytolibra_workers"] == 1


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_call_is_described_with_an_example(server: RunningServer) -> None:
    schema = server.client.get("/openapi.json").json()
    assert "not a diagnosis" in schema["info"]["description"]
    described = operations(schema)
    assert len(described) >= 12
    models = schema["components"]["schemas"]
    for name, operation in described:
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert operation["x-codeSamples"][0]["source"].startswith("curl "), name
        for status, answer in operation["responses"].items():
            assert status in ("204", "206", "304") or has_example(answer, models), (name, status)


def has_example(answer: dict[str, Any], models: dict[str, Any]) -> bool:
    for kind, content in answer.get("content", {}).items():
        if kind == "image/jpeg" or "example" in content or content.get("examples"):
            return True
        reference = content.get("schema", {}).get("$ref", "").rsplit("/")[-1]
        if models.get(reference, {}).get("examples"):
            return True
    return False
