"""Traces, sent by the real server to a collector of ours."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from app import tracing
from tests import pictures
from tests.server import Server

STAGES = ["decode", "preprocess", "queue", "inference"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.received: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.received.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield collector
        collector.shutdown()


def _exported(collector: Collector) -> ResourceSpans:
    path, data = collector.received.get(timeout=5)
    assert path == "/v1/traces"
    spans: ResourceSpans
    (spans,) = ExportTraceServiceRequest.FromString(data).resource_spans
    return spans


def test_tracing_exports_the_request_and_its_stages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with Server(tmp_path / "log") as server:
        server.get("/readyz")
        headers = {"content-type": "image/png", "traceparent": PARENT}
        assert httpx.post(f"{server.url}/v1/predict", content=pictures.png(), headers=headers).status_code == 200
        assert server.stop() == 0
    exported = _exported(collector)
    assert ("service.name", "digits") in [(item.key, item.value.string_value) for item in exported.resource.attributes]
    spans: dict[str, Span] = {span.name: span for scope in exported.scope_spans for span in scope.spans}
    assert sorted(spans) == sorted(["POST /v1/predict", *[f"digits.{stage}" for stage in STAGES]])  # no probe's
    request = spans["POST /v1/predict"]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    ends = [request.start_time_unix_nano]
    for stage in STAGES:
        span = spans[f"digits.{stage}"]
        assert span.parent_span_id == request.span_id
        assert ends[-1] <= span.start_time_unix_nano <= span.end_time_unix_nano <= request.end_time_unix_nano
        ends.append(span.end_time_unix_nano)


def test_tracing_without_an_endpoint_is_off() -> None:
    assert tracing.configured() == (tracing.OFF, None)


def test_tracing_without_the_sdk_is_off_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with caplog.at_level(logging.WARNING):
        assert tracing.configured() == (tracing.OFF, None)
    assert "digits[tracing]" in caplog.text
