"""What clients send, byte for byte, over a real socket: kept, or refused with the reason."""

import base64
import hashlib
import http.client
import json
import time
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.service.running_server import RunningServer
from tests.service.small_slide import draw_slide

FORM_TYPE = "multipart/form-data; boundary=xx"


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return draw_slide(tmp_path_factory.mktemp("intake") / "slide.svs", 512, seed=11).read_bytes()


def file_part(slide: bytes, name: bytes = b"s.svs") -> bytes:
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return head + slide + b"\r\n"


def field(name: str, text: str) -> bytes:
    head = f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{text}\r\n".encode()


def send(
    server: RunningServer,
    body: bytes,
    query: str = "detector=fake",
    content_type: str = FORM_TYPE,
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer to exactly these bytes."""
    url = server.client.base_url
    link = http.client.HTTPConnection(url.host, url.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        link.request("POST", f"/v1/slides?{query}", body, {"Content-Type": content_type, **named})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


def assert_refused(answer: tuple[int, dict[str, Any]], status: int, kind: str, *words: str) -> None:
    assert (answer[0], answer[1]["type"]) == (status, f"urn:cytolibra:problem:{kind}"), answer
    for word in words:
        assert word in answer[1]["detail"]


def test_form_states_what_the_query_does_before_and_after_the_file(
    server: RunningServer, slide: bytes
) -> None:
    asked = "detector=fake&mpp=0.4&accession=F26-1"
    status, by_query = send(server, file_part(slide) + b"--xx--\r\n", asked)
    assert status == 202
    forms = (
        field("detector", "fake") + field("mpp", "0.40") + field("accession", " F26-1 "),
        b"",
    )
    for before, after in (forms, forms[::-1]):
        status, by_form = send(server, before + file_part(slide) + after + b"--xx--\r\n", "")
        assert (status, by_form["id"]) == (200, by_query["id"])
    assert (by_form["mpp"], by_form["accession"]) == (0.4, "F26-1")


def test_ways_to_write_a_number_are_one_slide(server: RunningServer, slide: bytes) -> None:
    body = file_part(slide) + b"--xx--\r\n"
    ids = {
        send(server, body, f"detector=fake&accession={quote(number)}")[1]["id"]
        for number in ("Zürich 1", " Zürich 1", "Zu\N{COMBINING DIAERESIS}rich 1\n")
    }
    assert len(ids) == 1


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("query", "before", "after", "status", "kind", "words"),
    [
        ("detector=fake&acession=C26-1", "", "", 400, "unknown-field", ["acession", "accession"]),
        ("detector=fake", "acession", "", 400, "unknown-field", ["acession", "accession"]),
        ("detector=fake", "", "acession", 400, "unknown-field", ["acession", "accession"]),
        ("detector=fake&accession=A", "accession", "", 422, "field-conflict", ["'A'", "'C26-1'"]),
        ("detector=fake&accession=A", "", "accession", 422, "field-conflict", ["'A'", "'C26-1'"]),
        ("detector=fake&mpp=0.5&mpp=0.25", "", "", 422, "field-conflict", ["0.5", "0.25"]),
        ("detector=fake", "mpp", "", 400, "invalid-request", ["mpp = 'C26-1'"]),
        ("detector=fake&accession=C%00", "", "", 400, "invalid-request", ["U+0000"]),
        ("detector=fake&accession=%E4", "", "", 400, "invalid-request", ["UTF-8"]),
        ("", "detector", "", 422, "unknown-detector", ["C26-1", "fake"]),
        ("", "", "", 422, "unknown-detector", ["default"]),
    ],
)
def test_what_is_not_understood_is_refused(
    server: RunningServer,
    slide: bytes,
    query: str,
    before: str,
    after: str,
    status: int,
    kind: str,
    words: list[str],
) -> None:
    body = b"".join(
        (
            field(before, "C26-1") if before else b"",
            file_part(slide),
            field(after, "C26-1") if after else b"",
            b"--xx--\r\n",
        )
    )
    assert_refused(send(server, body, query), status, kind, *words)


def test_unknown_detector_in_the_form_is_refused_before_the_file(server: RunningServer) -> None:
    begin = field("detector", "unknown") + file_part(b"x" * (2 << 20))
    url = server.client.base_url
    link = http.client.HTTPConnection(url.host, url.port, timeout=20)
    try:
        # The rest of the body is never sent.
        link.putrequest("POST", "/v1/slides")
        link.putheader("Content-Type", FORM_TYPE)
        link.putheader("Content-Length", "3500000")
        link.endheaders(begin)
        answer = link.getresponse()
        length = int(answer.headers["Content-Length"])
        assert_refused((answer.status, json.loads(answer.read(length))), 422, "unknown-detector")
    finally:
        link.close()


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Präparat.svs".encode("latin-1"), "Präparat.svs"),
        ("Präparat.svs".encode(), "Präparat.svs"),
        (b"x.svs\"; filename*=\"utf-8''Pr%C3%A4parat.svs", "Präparat.svs"),
    ],
)
def test_file_name_is_kept(server: RunningServer, slide: bytes, raw: bytes, name: str) -> None:
    query = f"detector=fake&accession=N-{raw.hex()}"
    status, answer = send(server, file_part(slide, raw) + b"--xx--\r\n", query)
    assert (status, answer["filename"]) == (202, name)


def test_file_name_in_another_encoding_keeps_its_suffix(
    server: RunningServer, slide: bytes
) -> None:
    name = "細胞診.svs".encode("shift-jis")
    body = file_part(slide, name) + b"--xx--\r\n"
    status, answer = send(server, body, "detector=fake&accession=N-sjis")
    assert status == 202
    assert answer["filename"].endswith(".svs")


def test_text_around_the_form_is_ignored(server: RunningServer, slide: bytes) -> None:
    body = b"To whom it may concern\r\n" + file_part(slide) + b"--xx--\r\nKind regards\r\n"
    status, answer = send(server, body, "detector=fake&accession=preamble")
    assert (status, answer["sha256"]) == (202, hashlib.sha256(slide).hexdigest())


@pytest.mark.usefixtures("nothing_left")
def test_bare_line_feeds_are_refused_in_clear_words(server: RunningServer, slide: bytes) -> None:
    body = file_part(slide).replace(b"\r\n", b"\n") + b"--xx--\n"
    assert_refused(send(server, body), 400, "invalid-request", "CR LF")


@pytest.mark.usefixtures("nothing_left")
def test_file_name_of_megabytes_is_refused_at_little_cost(server: RunningServer) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    before_bytes, start_s = process.memory_info().rss, time.monotonic()
    answer = send(server, file_part(b"II*\x00", b"n" * 3_500_000) + b"--xx--\r\n")
    assert_refused(answer, 400, "invalid-request", "4096 bytes")
    assert time.monotonic() - start_s < 3
    assert process.memory_info().rss - before_bytes < 20_000_000


def sha(data: bytes, algorithm: str = "sha256") -> str:
    return f":{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}:"


def test_right_digests_are_taken(server: RunningServer, slide: bytes) -> None:
    body = b"preamble\r\n" + file_part(slide) + b"--xx--\r\n"
    stated = {
        "Content_Digest": f"sha-256={sha(body)}, sha-512={sha(body, 'sha512')}, crc32c=:AAAA:",
        "Repr_Digest": f"sha-256={sha(slide)}",
    }
    assert send(server, body, "detector=fake&accession=digest", **stated)[0] == 202
    plain = "application/octet-stream"
    both = {"Content_Digest": f"sha-512={sha(slide, 'sha512')}", "Repr_Digest": "md5=:AAAA:"}
    assert send(server, slide, "detector=fake&accession=digest", plain, **both)[0] == 200


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("header", ["Content_Digest", "Repr_Digest"])
def test_wrong_digest_is_refused_naming_both(
    server: RunningServer, slide: bytes, header: str
) -> None:
    body = file_part(slide) + b"--xx--\r\n"
    actual = sha(body if header == "Content_Digest" else slide)
    answer = send(server, body, **{header: f"sha-256={sha(b'other')}"})
    assert_refused(answer, 400, "digest-mismatch", sha(b"other"), actual)
    answer = send(server, body, **{header: "sha-256=abc"})
    assert_refused(answer, 400, "invalid-request", "malformed")


def test_page_describes_fields_and_digests(server: RunningServer) -> None:
    call = server.client.get("/openapi.json").json()["paths"]["/v1/slides"]["post"]
    places = {each["name"]: each["in"] for each in call["parameters"]}
    query = {name for name, place in places.items() if place == "query"}
    assert query == {"detector", "mpp", "accession", "filename"}
    assert {"Content-Digest", "Repr-Digest", "Idempotency-Key"} <= set(places)
    form = call["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == query | {"file"}
    for parameter in call["parameters"]:
        if parameter["in"] == "query":
            assert parameter["schema"] == form["properties"][parameter["name"]]
    for status, kind in (("400", "digest-mismatch"), ("400", "unknown-field")):
        assert kind in call["responses"][status]["content"]["application/problem+json"]["examples"]


def test_key_and_number_work_together(server: RunningServer, slide: bytes) -> None:
    body = field("accession", " K-1") + file_part(slide) + b"--xx--\r\n"
    key = {"Idempotency_Key": "intake-1"}
    first = send(server, body, **key)
    assert first[0] == 202
    assert send(server, body.replace(b" K-1", b"K-1"), **key)[1] == first[1]
    assert_refused(send(server, body.replace(b"K-1", b"K-2"), **key), 422, "idempotency-conflict")
