from __future__ import annotations

import contextlib
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.multipart import Upload, any_files, parse_multipart, usual_files
from app.api.problems import MalformedMultipart, TooManyFiles
from tests.client import Api

BOUNDARY = b"limit"
END = b"\r\n--limit--\r\n"
FILES = st.lists(st.tuples(st.sampled_from(["files", "file"]), st.binary(max_size=200)), min_size=1, max_size=5)


def _encoded(parts: list[tuple[str, bytes]]) -> bytes:
    files = [(field, (f"{index}.png", data)) for index, (field, data) in enumerate(parts)]
    request = httpx.Request(
        "POST", "http://digits", files=files, headers={"content-type": "multipart/form-data; boundary=limit"}
    )
    return request.read()


@given(FILES)
def test_parse_multipart_any_files_come_back_in_order(parts: list[tuple[str, bytes]]) -> None:
    uploads = parse_multipart(_encoded(parts), BOUNDARY, max_files=5)
    assert [upload.data for upload in uploads] == [data for _, data in parts]
    assert [upload.filename for upload in uploads] == [f"{index}.png" for index in range(len(parts))]


@given(FILES, st.data())
def test_parse_multipart_cut_anywhere_is_malformed(parts: list[tuple[str, bytes]], draw: st.DataObject) -> None:
    body = _encoded(parts)
    cut = draw.draw(st.integers(0, len(body) - len(b"--\r\n") - 1))
    with pytest.raises(MalformedMultipart):
        parse_multipart(body[:cut], BOUNDARY, max_files=5)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"--limit\r\n", b'--limit\r\nContent-Disposition: form-data; name="files"'])
)
def test_parse_multipart_any_bytes_raise_its_errors_only(data: bytes, start: bytes) -> None:
    with contextlib.suppress(MalformedMultipart, TooManyFiles):
        parse_multipart(start + data + END, BOUNDARY, max_files=5)


# What a body is made of, and what tells readers apart that are not careful.
MARKS = [
    b"\r\n",
    b"\n",
    b"--",
    b"--limit",
    b"\r\n--limit",
    b"limit--",
    b"\r\n\r\n",
    b";",
    b'"',
    b"\\",
    b"%22",
    b"=",
    b" ",
    b"\0",
]
HEADERS = [b"Content-Disposition: form-data; ", b'name="files"', b'filename="a.csv"', b"filename*=utf-8''a", b"\xff"]


@given(FILES, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from([*MARKS, *HEADERS])), max_size=4))
def test_usual_files_are_those_of_the_general_reader(
    parts: list[tuple[str, bytes]], edits: list[tuple[float, int, bytes]]
) -> None:
    body = _encoded(parts)
    for place, dropped, piece in edits:
        at = int(place * len(body))
        body = body[:at] + piece + body[at + dropped :]
    usual = usual_files(body, BOUNDARY, max_files=5)
    assert usual is None or usual == any_files(body, BOUNDARY, max_files=5)


def test_usual_files_are_what_clients_send() -> None:
    assert usual_files(_encoded([("files", b"1"), ("file", b"2")]), BOUNDARY, max_files=2) is not None


def test_parse_multipart_more_files_than_allowed_is_refused() -> None:
    body = _encoded([("files", b"1"), ("file", b"2"), ("files", b"3")])
    assert len(parse_multipart(body, BOUNDARY, max_files=3)) == 3
    with pytest.raises(TooManyFiles):
        parse_multipart(body, BOUNDARY, max_files=2)


@pytest.mark.parametrize("piece", [b'--limit\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n', b"\r\n--limitless"])
def test_parse_multipart_many_parts_are_not_looked_at(piece: bytes) -> None:
    started = time.process_time()
    with pytest.raises(TooManyFiles):
        parse_multipart(b"--limit\r\n\r\n" + piece * 100_000 + END, BOUNDARY, max_files=5)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'name="files"', Upload(None, b"x", False)),
        (b'name="files"; filename="a.csv"', Upload("a.csv", b"x", True)),
        (b'name="files"; filename="A.CSV"', Upload("A.CSV", b"x", True)),
        (b'name="files"; filename="a"\r\nContent-Type: text/csv', Upload("a", b"x", True)),
        (b'name=files; filename="\xc3\xbc.png"', Upload("ü.png", b"x", False)),
        (b'name="files"; filename="\xfc.png"', Upload("\ufffd.png", b"x", False)),
    ],
)
def test_parse_multipart_part_headers_are_understood(head: bytes, expected: Upload) -> None:
    body = b"--limit\r\nContent-Disposition: form-data; " + head + b"\r\n\r\nx" + END
    assert parse_multipart(body, BOUNDARY, max_files=1) == [expected]


def test_client_that_leaves_ends_its_request_and_gives_its_room_back(api: Api) -> None:
    sent: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            sent.append(int(str(message["status"])))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/predict",
        "query_string": b"",
        "headers": [(b"content-type", b"image/png"), (b"content-length", b"100")],
    }
    api.run(api.app(scope, receive, send))  # type: ignore[arg-type]  # plain dictionaries and functions do for ASGI
    assert sent == [400]
    assert (api.services.images.taken, api.services.bodies.taken) == (0, 0)
