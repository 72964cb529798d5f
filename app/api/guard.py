"""Who may ask, and how often: keys and quotas, checked before anything of the body is read."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import keys, problems
from app.settings import Settings

if TYPE_CHECKING:
    from app.serving.quota import ClientQuota

# An orchestrator has no key, and must never be told to wait.
PROBES: Final = frozenset({"/livez", "/readyz", "/health", "/v2/health/live", "/v2/health/ready"})
OPEN: Final = PROBES | {"/", "/docs", "/openapi.json"}
OPEN_FOLDER: Final = "/assets/"
METRICS: Final = "/metrics"
# A subscriber gets a /64 at least (RFC 6177), and may use every address of it.
IPV6_PREFIX: Final = 64


class Access:
    """Which paths need a key, and which keys are known."""

    def __init__(self, settings: Settings) -> None:
        self.hashes: Collection[str] = frozenset(settings.api_keys + settings.admin_keys)
        self._guarded = bool(settings.api_keys)
        self._metrics_need_key = settings.metrics_need_key

    def needs_key(self, path: str) -> bool:
        """Whether a path is closed to those without a key."""
        if path == METRICS:
            return self._metrics_need_key
        return self._guarded and path not in OPEN and not path.startswith(OPEN_FOLDER)


def has_quota(path: str) -> bool:
    """Whether requests to a path are counted: all but probes and scrapes."""
    return path not in PROBES and path != METRICS


class Guard:
    """Answers 401 and 429 itself; whatever passes goes on untouched."""

    def __init__(self, app: ASGIApp, *, access: Access, quota: ClientQuota | None) -> None:
        self.app = app
        self.access = access
        self.quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on or refuse."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except problems.RequestError as exc:
                await problems.respond(Request(scope), exc)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        holder = keys.holder(scope["headers"], self.access.hashes) if self.access.hashes else None
        # Before the key is judged, so that guessing keys spends the guesser's quota.
        if self.quota is not None and has_quota(path):
            wait_s = self.quota.take(holder or address_of(client_of(scope)))
            if wait_s is not None:
                raise problems.RateLimited("This client asked more often than the service allows.", retry_after_s=wait_s)
        if holder is None and self.access.needs_key(path):
            raise problems.Unauthorized(
                "Send a key that this service knows as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
            )


def client_of(scope: Scope) -> str:
    """The client's address; behind trusted proxies, what they say (``DIGITS_TRUSTED_PROXIES``)."""
    client = scope.get("client")
    return client[0] if client else "unknown"


def address_of(host: str) -> str:
    """Whom an address counts for: itself, or the network of an IPv6 address, whose holder has 2⁶⁴ of them."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], IPV6_PREFIX), strict=False))
    except ValueError:  # a proxy's own word
        return host
