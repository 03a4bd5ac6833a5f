"""The page that describes the API works without the internet, under a strict policy."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.service.running_server import RunningServer


def test_page_loads_only_from_this_server(server: RunningServer) -> None:
    answer: httpx.Response = server.client.get("/", follow_redirects=True)
    assert answer.headers["content-type"].startswith("text/html")
    assert "unsafe" not in answer.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert "docs/swagger-ui-bundle.js" in links
    for link in links:
        assert link == "data:," or server.client.get(f"/{link}").status_code == 200
    assert re.findall(r"<script(?![^>]*src=)|<style|style=|\son\w+=", answer.text) == []


def test_page_may_show_the_picture_in_an_answer(server: RunningServer) -> None:
    policy = server.client.get("/docs").headers["content-security-policy"]
    sources = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert set(sources["img-src"].split()) == {"'self'", "data:", "blob:"}


def test_file_of_the_page_is_sent_once(server: RunningServer) -> None:
    first = server.client.get("/docs/swagger-ui-bundle.js")
    again = server.client.get(
        "/docs/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize("name", ["index.html", "core.py", "..%2fapp.py", "nothing.js"])
def test_no_other_file_is_given_out(server: RunningServer, name: str) -> None:
    assert server.client.get(f"/docs/{name}").status_code == 404


@pytest.mark.program("chromium")
def test_browser_shows_every_call(server: RunningServer, tmp_path: Path) -> None:
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    command = (
        "chromium",
        *options,
        f"--user-data-dir={tmp_path}",
        "--enable-logging=stderr",
        "--virtual-time-budget=15000",
        "--dump-dom",
        f"{server.client.base_url}/docs",
    )
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    shown = re.sub(r"<wbr>|\u200b", "", run.stdout)
    for path in server.client.get("/openapi.json").json()["paths"]:
        assert path in shown
    # What the page's policy forbids, and every error of a script, is logged as the console's.
    assert [line for line in run.stderr.splitlines() if "CONSOLE" in line] == []
