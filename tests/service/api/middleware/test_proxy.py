"""Links, the description and the page are right as the client sees them, behind a proxy or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.middleware.proxy import is_trusted
from service.settings import OWN_SEGMENTS, read_networks
from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide

FORWARDED = {
    "X-Forwarded-Prefix": "/clinic/cells",
    "X-Forwarded-Host": "lab.example:8443",
    "X-Forwarded-Proto": "https",
}


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(
        tmp_path_factory.mktemp("proxy"),
        CYTOLIBRA_ROOT_PATH="/lab",
        CYTOLIBRA_TRUSTED_PROXIES="127.0.0.0/8, ::1",
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def sent(behind_proxy: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> httpx.Response:
    slide = draw_slide(tmp_path_factory.mktemp("slide") / "a.svs", 512)
    return behind_proxy.post(slide)


def links_of(status: dict[str, Any]) -> set[str]:
    return {path.partition("/v1/")[0] for path in status["links"].values()}


def test_prefix_of_the_setting_is_in_every_link(
    behind_proxy: RunningServer, sent: httpx.Response
) -> None:
    status = sent.json()
    assert sent.headers["location"] == f"/lab/v1/slides/{status['id']}"
    assert links_of(status) == {"/lab"}
    assert links_of(behind_proxy.client.get(f"/v1/slides/{status['id']}").json()) == {"/lab"}
    behind_proxy.wait_until_ended(status["id"])
    assert behind_proxy.client.get(status["links"]["report"]).status_code == 200


def test_path_is_taken_with_its_prefix_and_without(
    behind_proxy: RunningServer, sent: httpx.Response
) -> None:
    path = f"/v1/slides/{sent.json()['id']}"
    get = behind_proxy.client.get
    assert get(path).json()["id"] == get(f"/lab{path}").json()["id"]
    assert get("/lab/v1/slides/nowhere").json()["instance"] == "/lab/v1/slides/nowhere"


@pytest.mark.usefixtures("sent")
def test_proxy_that_is_trusted_states_the_prefix(behind_proxy: RunningServer) -> None:
    get = behind_proxy.client.get
    (slide,) = get("/v1/slides", headers=FORWARDED).json()["slides"]
    assert links_of(slide) == {"/clinic/cells"}
    assert get("/", headers=FORWARDED).headers["location"] == "/clinic/cells/docs"
    description = get("/openapi.json", headers=FORWARDED).json()
    assert description["servers"] == [{"url": "/clinic/cells"}]
    sample = description["paths"]["/v1/detectors"]["get"]["x-codeSamples"][0]["source"]
    assert sample == "curl 'https://lab.example:8443/clinic/cells/v1/detectors'"


def test_forwarded_of_the_standard_is_understood(behind_proxy: RunningServer) -> None:
    headers = {"Forwarded": 'for=10.0.0.1;host=far.example, host="near.example:81";proto=https'}
    text = behind_proxy.client.get("/openapi.json", headers=headers).text
    assert "https://near.example:81/lab/v1/slides" in text


@pytest.mark.parametrize("prefix", ["//evil.example", "/..", "evil", '/"', "/a b", "/%2e"])
def test_prefix_that_is_none_is_ignored(behind_proxy: RunningServer, prefix: str) -> None:
    answer = behind_proxy.client.get("/", headers={"X-Forwarded-Prefix": prefix})
    assert answer.headers["location"] == "/lab/docs"


def test_pages_of_the_list_lie_under_the_prefix(
    behind_proxy: RunningServer, sent: httpx.Response, tmp_path: Path
) -> None:
    behind_proxy.post(draw_slide(tmp_path / "b.svs", 512, seed=1))
    page = behind_proxy.client.get("/v1/slides", params={"limit": 1}).json()
    assert page["links"]["next"].startswith("/lab/v1/slides?")
    rest = behind_proxy.client.get(page["links"]["next"]).json()
    assert [slide["id"] for slide in rest["slides"]] == [sent.json()["id"]]


def test_first_answer_comes_again_under_the_prefix_of_the_repetition(
    behind_proxy: RunningServer, tmp_path: Path
) -> None:
    data = draw_slide(tmp_path / "c.svs", 512, seed=2).read_bytes()

    def send(**headers: str) -> httpx.Response:
        headers["Idempotency-Key"] = "moved"
        query = {"detector": "fake"}
        return behind_proxy.client.post("/v1/slides", params=query, content=data, headers=headers)

    assert links_of(send().json()) == {"/lab"}
    again = send(**FORWARDED)
    assert links_of(again.json()) == {"/clinic/cells"}
    assert again.headers["location"].startswith("/clinic/cells/v1/")


def test_headers_of_a_stranger_are_ignored(server: RunningServer) -> None:
    headers = FORWARDED | {"Forwarded": "host=evil.example;proto=https"}
    assert server.client.get("/", headers=headers).headers["location"] == "/docs"
    text = server.client.get("/openapi.json", headers=headers).text
    assert "example:8443" not in text
    assert "evil.example" not in text
    assert "/clinic" not in text


@pytest.mark.parametrize(
    ("address", "networks", "trusted"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("10.1.2.3", "192.168.0.0/16, 10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("::1", "::1", True),
        ("::ffff:10.0.0.1", "10.0.0.0/8", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("10.0.0.1", "", False),
    ],
)
def test_trust_is_by_network(address: str, networks: str, trusted: bool) -> None:
    assert is_trusted((address, 1), read_networks(networks)) is trusted


def test_nobody_is_trusted_without_an_address() -> None:
    assert not is_trusted(None, read_networks("0.0.0.0/0"))


def test_first_segments_of_the_app_are_all_listed(server: RunningServer) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    undescribed = ("docs", "healthz", "readyz", "metrics", "openapi.json")
    assert {path.split("/")[1] for path in paths} | set(undescribed) == set(OWN_SEGMENTS)
    for name in undescribed:
        assert server.client.get(f"/{name}").status_code == 200


@pytest.mark.parametrize("prefix", ["/v1", "/docs/lab"])
def test_prefix_of_a_proxy_that_is_a_path_of_the_app_is_ignored(
    behind_proxy: RunningServer, sent: httpx.Response, prefix: str
) -> None:
    path = f"/v1/slides/{sent.json()['id']}"
    status = behind_proxy.client.get(path, headers={"X-Forwarded-Prefix": prefix}).json()
    assert links_of(status) == {"/lab"}
