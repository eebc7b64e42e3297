"""A receiver of OpenTelemetry's traces, as strict as the protocol: OTLP over HTTP, binary protobuf, one path."""

from __future__ import annotations

import contextlib
import gzip
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

_TYPE = "application/x-protobuf"
_LARGEST = 1 << 20


class Receiver:
    """What came in, request by request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._came: queue.Queue[ExportTraceServiceRequest | str] = queue.Queue()

    def take(self, method: str, path: str, kind: str, encoding: str, body: bytes) -> int:
        """The status for one request."""
        try:
            if (method, path, kind) != ("POST", "/v1/traces", _TYPE):
                raise ValueError(f"{method} {path} with {kind} is none of OTLP's")  # noqa: TRY301 - told like all else
            self._came.put(_parsed(gzip.decompress(body) if encoding == "gzip" else body))
        except Exception as error:  # noqa: BLE001 - the test is told what was wrong with it
            self._came.put(repr(error))
            return 400
        return 200

    def trace(self) -> tuple[ResourceSpans, list[Span]]:
        """The next trace, which comes in one request: whose it is, and its spans."""
        came = self._came.get(timeout=60 * slower())
        assert isinstance(came, ExportTraceServiceRequest), came
        (of_resource,) = came.resource_spans
        (of_scope,) = of_resource.scope_spans
        assert of_scope.scope.name == "golem_launcher"
        return of_resource, list(of_scope.spans)

    @property
    def is_empty(self) -> bool:
        return self._came.empty()


def _parsed(body: bytes) -> ExportTraceServiceRequest:
    """Raises for what is no request of OTLP's, or has what the protocol does not know."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    if len(UnknownFieldSet(request)):
        raise ValueError("fields that nobody knows")
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                if len(span.trace_id) != 16 or not any(span.trace_id) or len(span.span_id) != 8:
                    raise ValueError("identities of another size")
                if not span.name or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
                    raise ValueError("a span without a name, or that ends before it begins")
    return request


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """One that listens at this computer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            assert length < _LARGEST
            kind, encoding = self.headers.get("Content-Type", ""), self.headers.get("Content-Encoding", "")
            self.send_response(receiver.take("POST", self.path, kind, encoding, self.rfile.read(length)))
            self.send_header("Content-Type", _TYPE)
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
