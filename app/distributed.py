"""The service as replicas on a Ray cluster, which adds and takes them as traffic asks (extra ``ray``).

    serve run app.distributed:app max_replicas=8

Each replica is the app that ``create_app`` makes, with its own model and queue. Ray's proxy takes the connections, so the
settings of connections (host, port, header limits, keep-alive, drain delay, workers) are Ray's here.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.api.health import check_alive
from app.main import create_app
from app.serving.registry import Loader
from app.settings import Settings


class Scale(BaseModel):
    """How far the service may grow: what ``serve run`` takes behind the name of the app.

    Attributes:
        min_replicas: kept without traffic, too.
        max_replicas: at most.
        requests_a_replica: under way at one time in each, on average; above it Ray adds replicas. One process answers 16
            closed-loop clients with a p50 of 89 ms (README, Speed); at half of them it is busy and nobody waits long.
        cpus: of each replica, and the threads of one run.
        gpus: of each replica; a fraction shares one.
    """

    model_config = ConfigDict(extra="forbid")

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    requests_a_replica: float = Field(8, gt=0)
    cpus: int = Field(1, ge=1)
    gpus: float = Field(0, ge=0)


class Replica:
    """One process of the service; Ray asks it for the ASGI app, and now and then whether it is well."""

    def __init__(self, settings: Settings, *, load: Loader | None = None) -> None:
        """See ``create_app``."""
        logs.configure(settings.log_format, settings.log_level, with_pid=True)
        self._app = create_app(settings, load=load)
        self._app.add_middleware(WithoutRequestId)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app

    def check_health(self) -> None:
        """Raise ModelStalled where ``/livez`` would fail: Ray then replaces this replica."""
        check_alive(self._app.state.services)


class WithoutRequestId:
    """Takes ``X-Request-ID`` off the answers: Ray's proxy, which has given each request its id, adds it a second time."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message.get("headers", ()) if header[0] != b"x-request-id"]
            await send(message)

        await self.app(scope, receive, send_without)


def app(args: dict[str, Any]) -> serve.Application:
    """The application that ``serve run`` deploys, with the ``DIGITS_*`` variables of this process for all replicas.

    Args:
        args: ``Scale``'s fields, as text or numbers.

    Raises:
        ValueError: one of them, or a setting, is not as it should be.
    """
    settings, scale = Settings(), Scale.model_validate(args)
    if settings.admin_keys:
        raise ValueError("Unset DIGITS_ADMIN_KEYS: to load or unload a model would reach one replica of several.")
    deployment = serve.deployment(serve.ingress()(Replica)).options(
        name="digits",
        autoscaling_config={
            "min_replicas": scale.min_replicas,
            "max_replicas": scale.max_replicas,
            "target_ongoing_requests": scale.requests_a_replica,
        },
        ray_actor_options={"num_cpus": scale.cpus, "num_gpus": scale.gpus},
        # What is more than the app admits is refused by the app, with a problem document.
        max_ongoing_requests=2 * settings.max_queued_images,
        health_check_timeout_s=settings.run_timeout_s,
        graceful_shutdown_timeout_s=settings.shutdown_timeout_s,
    )
    return deployment.bind(_of_a_replica(settings, scale))


def _of_a_replica(settings: Settings, scale: Scale) -> Settings:
    return settings.model_copy(update={"workers": 1, "intra_op_threads": settings.intra_op_threads or scale.cpus})
