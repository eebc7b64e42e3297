"""The start of a session as a trace of OpenTelemetry: a span for all of it, and one for each stage.

Off unless the environment says where traces go, by OpenTelemetry's own variables. A trace is made of the session's
state once the start is over, by a process of its own: a session that starts loads nothing for it, and waits for nobody.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from golem_launcher import __version__, own_modules, paths, processes
from golem_launcher.errors import LauncherError, RequestError

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.events import Stage
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_ANYTHING = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_SDK, _LIBRARY = "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"


def environment(url: str) -> dict[str, str]:
    """This process's variables, with those that have a session's start traced to the receiver at ``url``.

    ``golem-launcher start --trace-to`` calls it. Raises ``RequestError`` for what is no address of one, and
    ``LauncherError`` when the library is not installed.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise RequestError("--trace-to takes the address of a receiver.", "Like http://127.0.0.1:4318")
    if not _installed():
        raise LauncherError("OpenTelemetry is not installed.", f"Install it: pip install {_SDK} {_LIBRARY}")
    return {**{name: value for name, value in os.environ.items() if name != _TRACES}, _ANYTHING: url}


def begin(directory: SessionDirectory) -> None:
    """Start a process that sends the trace, where it is wanted. Called by the recorder once the start is over."""
    wanted = os.environ.get(_TRACES) or os.environ.get(_ANYTHING)
    if not wanted or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if not _installed():
        _LOG.info("no trace of the start: %s is not installed", _LIBRARY)
        return
    try:
        command = own_modules.command("golem_launcher.session.reporting.start_trace", directory.name)
        processes.spawn_ours(command, log=directory.supervisor_log, cwd=paths.home())
    except OSError:
        _LOG.exception("no trace of the start")


def send(state: SessionState) -> None:
    """Send the trace of a start that is over. Blocking, as long as OpenTelemetry's variables say; it logs a failure.

    Words of ours, the session's name and counts are in it: nothing that a provider says.
    """
    from opentelemetry import trace  # noqa: PLC0415 - nobody else needs it
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("golem_launcher", __version__)
    stages, end = _stages(state)
    whole = tracer.start_span(
        "start",
        attributes={
            "golem.session": state.name,
            "golem.network": state.network,
            "golem.workload": state.workload,
            **_seen(state),
        },
        start_time=_nanoseconds(state.created_at),
    )
    within = trace.set_span_in_context(whole)
    for stage, began, over in stages:
        tracer.start_span(stage.value, within, start_time=_nanoseconds(began)).end(_nanoseconds(over))
    whole.set_status(trace.StatusCode.ERROR if state.started_at is None else trace.StatusCode.OK)
    whole.end(_nanoseconds(end))
    provider.shutdown()


def _stages(state: SessionState) -> tuple[list[tuple[Stage, datetime, datetime]], datetime]:
    """Each stage of the start with its beginning and its end, in order; and the end of it all: ready, or given up."""
    last = state.stages[-1][1] if state.stages else state.created_at
    end = state.started_at or state.ended_at or last
    ends = [*(at for _, at in state.stages[1:]), end]
    return [
        (stage, began, over)
        for (stage, began), over in zip(state.stages, ends, strict=True)
        if began < end and over <= end
    ], end


def _seen(state: SessionState) -> dict[str, int]:
    """How the providers were judged whose offers it saw."""
    seen = state.providers_seen
    return {} if seen is None else {f"golem.providers.{judged}": count for judged, count in seen.model_dump().items()}


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000


def _installed() -> bool:
    try:
        importlib.metadata.version(_LIBRARY)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def main() -> int:
    """Send the trace of the session that the argument names."""
    from golem_launcher.session.on_disk.directory import session_directory  # noqa: PLC0415 - who records a session knows it

    os.environ.setdefault("OTEL_SERVICE_NAME", "golem-launcher")
    send(session_directory(sys.argv[1]).state())
    return 0


if __name__ == "__main__":
    sys.exit(main())
