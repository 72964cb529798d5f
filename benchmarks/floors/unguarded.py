"""Our own service without its guards: nothing limits, admits, watches, counts, logs or declines.

What the service takes beyond it is what they cost. Not for use.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import server
from app.api.connections import LimitedProtocol
from app.api.middleware import RequestContext
from app.api.presence import WhileConnected
from app.buffered import BufferedHistogram, RowHistogram
from app.digits import classifier
from app.metrics import Metrics
from app.serving.admission import Ticket
from app.serving.drift import DriftWatch
from app.settings import Settings


def _nothing(*_: Any) -> None:
    pass


async def _nothing_awaited(*_: Any) -> None:
    pass


def _body_arrived(protocol: LimitedProtocol) -> None:
    protocol.scope["extensions"] = protocol._extensions
    HttpToolsProtocol.on_message_complete(protocol)


GUARDS: Final[tuple[tuple[Any, str, Any], ...]] = (
    (LimitedProtocol, "data_received", HttpToolsProtocol.data_received),
    (LimitedProtocol, "on_message_begin", HttpToolsProtocol.on_message_begin),
    (LimitedProtocol, "on_headers_complete", HttpToolsProtocol.on_headers_complete),
    (LimitedProtocol, "on_message_complete", _body_arrived),
    (RequestContext, "_record", _nothing),
    (WhileConnected, "__aenter__", _nothing_awaited),
    (WhileConnected, "__aexit__", _nothing_awaited),
    (Ticket, "take", _nothing),
    (BufferedHistogram, "observe", _nothing),
    (RowHistogram, "observe_row", _nothing),
    (Metrics, "count_prediction", _nothing),
    (DriftWatch, "add", _nothing),
    (classifier, "reason_to_abstain", _nothing),
)


def main() -> None:
    """Serve as the settings say, in one process."""
    for owner, name, instead in GUARDS:
        getattr(owner, name)  # it is still called so
        setattr(owner, name, instead)
    server.serve(Settings())


if __name__ == "__main__":
    main()
