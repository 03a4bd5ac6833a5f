"""What cannot be taken is refused with a problem, at once, and leaves nothing behind."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from service.pipeline.mpp import MAX_MPP, MIN_MPP
from tests.service.pipeline.container.dicom_files import write_dicom
from tests.service.pipeline.container.tiff_files import shaded, write_tiff
from tests.service.running_server import RunningServer, wait_for
from tests.service.small_slide import draw_slide

pytestmark = pytest.mark.usefixtures("nothing_left")

QUERY = {"detector": "fake"}


def assert_problem(answer: httpx.Response, status: int, name: str, *words: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert problem["type"] == f"urn:cytolibra:problem:{name}"
    assert problem["instance"] == answer.request.url.path
    for word in words:
        assert word in problem["detail"]


@pytest.mark.parametrize("body", [{"content": b""}, {"files": {"file": b""}}])
def test_empty_upload(server: RunningServer, body: dict[str, object]) -> None:
    answer = server.client.post("/v1/slides", params=QUERY, **body)  # type: ignore[arg-type]
    assert_problem(answer, 400, "empty-upload")


def test_pdf_named_svs(server: RunningServer, tmp_path: Path) -> None:
    pdf = tmp_path / "report.svs"
    pdf.write_bytes(b"%PDF-1.7\n" + b"x" * 5000)
    assert_problem(server.post(pdf), 415, "not-a-slide")


def test_truncated_slide(server: RunningServer, tmp_path: Path, slide_file: Path) -> None:
    cut = tmp_path / "cut.svs"
    data = slide_file.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    answer = server.post(cut)
    assert_problem(answer, 422, "slide-unreadable")
    assert str(server.data) not in answer.text


def test_slide_without_mpp_names_the_remedy(server: RunningServer, tmp_path: Path) -> None:
    slide = draw_slide(tmp_path / "plain.svs", 512, mpp=None)
    assert_problem(server.post(slide), 422, "mpp-missing", "mpp=")


@pytest.mark.parametrize("mpp", ["0", "-1", "nan", "inf", "none", "1000", "2.5", "0.025"])
def test_wrong_mpp(server: RunningServer, slide_file: Path, mpp: str) -> None:
    assert_problem(server.post(slide_file, mpp=mpp), 400, "invalid-request", "mpp")


def test_the_limits_of_mpp_are_described(server: RunningServer) -> None:
    post = server.client.get("/openapi.json").json()["paths"]["/v1/slides"]["post"]
    (mpp,) = [item for item in post["parameters"] if item["name"] == "mpp"]
    assert (mpp["schema"]["minimum"], mpp["schema"]["maximum"]) == (MIN_MPP, MAX_MPP)


def test_mpp_against_the_objective_is_refused(server: RunningServer, slide_file: Path) -> None:
    answer = server.post(slide_file, mpp=2.0)
    assert_problem(answer, 422, "mpp-implausible", "mpp=2 ", "20x")


def test_whole_files_that_cannot_be_read_say_what_to_send(
    server: RunningServer, tmp_path: Path
) -> None:
    webp = write_tiff(tmp_path / "webp.tif", compression="webp")
    assert_problem(server.post(webp), 415, "not-a-slide", "WebP", "convert it", "JPEG")
    big_endian = write_tiff(tmp_path / "big.tif", byteorder=">")
    assert_problem(server.post(big_endian), 415, "not-a-slide", "big-endian", "convert it")
    oblong = write_tiff(tmp_path / "oblong.tif", mpp_xy=(0.25, 0.5))
    assert_problem(server.post(oblong), 422, "pixels-not-square", "0.25", "0.5", "resample")
    stack = write_tiff(tmp_path / "stack.tif", [shaded()] * 3, subfiletype=0)
    assert_problem(server.post(stack), 422, "focus-stack", "1, 2, 3", "page 2")
    resampled = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    copy = write_dicom(tmp_path / "copy.dcm", shaded(), ImageType=resampled)
    assert_problem(server.post(copy), 422, "part-of-slide", "384x256 px", "full resolution")
    coarse = write_tiff(tmp_path / "coarse.tif", mpp_xy=(2.5, 2.5))
    assert_problem(server.post(coarse), 422, "mpp-implausible", "2.5", "mpp=")


@pytest.mark.parametrize("name", ["unknown", "../../etc", "a/b", ""])
def test_unknown_detector(server: RunningServer, slide_file: Path, name: str) -> None:
    answer = server.post(slide_file, detector=name)
    assert_problem(answer, 422, "unknown-detector")


@pytest.mark.parametrize("has_length", [True, False])
def test_too_large_upload_gets_its_answer(server: RunningServer, has_length: bool) -> None:
    piece = b"II*\x00" + b"x" * 999_996
    content = piece * 9 if has_length else (piece for _ in range(9))
    answer = server.client.post("/v1/slides", params=QUERY, content=content)
    assert_problem(answer, 413, "slide-too-large", "4000000")


def test_client_that_asks_first_is_spared_the_upload(server: RunningServer) -> None:
    url = server.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=5.0) as raw:
        raw.sendall(
            b"POST /v1/slides?detector=fake HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert b" 413 " in raw.recv(65536).splitlines()[0]


def test_form_without_file(server: RunningServer) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="mpp"\r\n\r\n0.5\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = server.client.post("/v1/slides", params=QUERY, content=form, headers=headers)
    assert_problem(answer, 400, "invalid-request", "`file`")


def test_form_with_two_files(server: RunningServer) -> None:
    files = [("file", b"one"), ("file", b"two")]
    answer = server.client.post("/v1/slides", params=QUERY, files=files)
    assert_problem(answer, 400, "invalid-request", "two")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.svs"\r\n\r\nII*\0',
        ),
    ],
)
def test_malformed_form(server: RunningServer, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type}
    answer = server.client.post("/v1/slides", params=QUERY, content=body, headers=headers)
    assert_problem(answer, 400, "invalid-request")


@pytest.mark.parametrize("framing", ["Content-Length: 3000000", "Transfer-Encoding: chunked"])
def test_client_that_hangs_up_leaves_nothing(
    server: RunningServer, slide_file: Path, framing: str
) -> None:
    url = server.client.base_url
    start = slide_file.read_bytes()[:300_000]
    if "chunked" in framing:
        start = b"%x\r\n%s\r\n" % (len(start), start)
    with socket.create_connection((url.host, url.port or 80)) as raw:
        raw.sendall(
            f"POST /v1/slides?detector=fake HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
        )
        raw.sendall(start)
        wait_for(lambda: any((server.data / "uploads").iterdir()), 5.0)
    wait_for(lambda: not any((server.data / "uploads").iterdir()), 5.0)


def test_key_of_an_upload_in_flight(server: RunningServer) -> None:
    url = server.client.base_url
    head = (
        b"POST /v1/slides?detector=fake HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        b"Idempotency-Key: in-flight\r\n\r\nII*\x00"
    )
    headers = {"Idempotency-Key": "in-flight"}
    with socket.create_connection((url.host, url.port or 80)) as raw:
        raw.sendall(head)
        wait_for(lambda: any((server.data / "uploads").iterdir()), 5.0)
        answer = server.client.post("/v1/slides", params=QUERY, content=b"x", headers=headers)
        assert_problem(answer, 409, "idempotency-in-flight")
    wait_for(lambda: not any((server.data / "uploads").iterdir()), 5.0)
    time.sleep(0.2)
    answer = server.client.post("/v1/slides", params=QUERY, content=b"x", headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/v1/slides/nowhere", 404, "slide-not-found"),
        ("GET", "/v1/slides/nowhere/report", 404, "slide-not-found"),
        ("GET", "/v1/slides/%00", 404, "slide-not-found"),
        ("DELETE", "/v1/slides/nowhere", 404, "slide-not-found"),
        ("POST", "/v1/slides/nowhere/cancel", 404, "slide-not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("PUT", "/v1/slides", 405, "method-not-allowed"),
        ("GET", "/v1/slides?limit=0", 400, "invalid-request"),
        ("GET", "/v1/slides?limit=1_0", 400, "invalid-request"),
        ("GET", "/v1/slides?status=asleep", 400, "invalid-request"),
        ("GET", "/v1/slides?offset=50", 400, "invalid-request"),
        ("GET", "/v1/slides?cursor=50", 400, "invalid-request"),
        ("GET", "/v1/detectors?name=fake", 400, "invalid-request"),
        ("GET", "/v1/slides/nowhere/annotations?min_scor=0.5", 400, "invalid-request"),
        ("HEAD", "/v1/slides?offset=50", 400, None),
        ("DELETE", "/v1/slides/nowhere?force=1", 400, "invalid-request"),
        ("POST", "/v1/slides/nowhere/cancel?force=1", 400, "invalid-request"),
        ("POST", "/v1/slides?force=1", 400, "unknown-field"),
        ("GET", "/v1/healthz?verbose=1", 400, "invalid-request"),
        ("GET", "/v1/readyz?verbose=1", 400, "invalid-request"),
        ("GET", "/v1/metrics?name=x", 400, "invalid-request"),
    ],
)
def test_wrong_address(
    server: RunningServer, method: str, path: str, status: int, name: str | None
) -> None:
    answer = server.client.request(method, path)
    if name is not None:
        assert answer.json()["type"] == f"urn:cytolibra:problem:{name}"
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
