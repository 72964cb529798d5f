"""Every setting of the service, read from ``DIGITS_*`` environment variables."""

from __future__ import annotations

import functools
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.digits.image import Limits
from app.digits.session import ProviderName
from app.digits.threads import available_cpus

MEBIBYTE = 1024 * 1024
KIBIBYTE = 1024
SHA256 = re.compile(r"[0-9a-f]{64}")
PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Frozen; ``create_app`` takes one, so two services in one process can differ. Defaults of limits: ARCHITECTURE.md."""

    model_config = SettingsConfigDict(env_prefix="DIGITS_", frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    models_dir: Path = Field(PROJECT / "models", description="Folder that holds one folder for each model.")
    models: Annotated[tuple[str, ...], NoDecode] = Field((), description="Names to load, comma-separated; empty loads all.")
    default_model: str = Field("cnn", description="The model that answers when a request names none.")
    provider: ProviderName = Field(
        "auto", description="Hardware: auto, cpu, cuda, tensorrt, openvino or coreml; never another than asked for."
    )
    intra_op_threads: int | None = Field(
        None, ge=1, description="CPU threads a run; by default what cgroup and affinity allow."
    )
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or lines for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level that is logged.")
    docs_enabled: bool = Field(True, description="Serve /docs and /openapi.json.")
    max_upload_bytes: int = Field(10 * MEBIBYTE, ge=1, description="Bytes of one file.")
    max_body_bytes: int = Field(32 * MEBIBYTE, ge=1, description="Bytes of one request's body.")
    max_files: int = Field(64, ge=1, description="Files in one request.")
    max_image_pixels: int = Field(25_000_000, ge=1, description="Pixels of one picture, by its header.")
    max_inflight_body_bytes: int = Field(128 * MEBIBYTE, ge=1, description="Bytes of all bodies held at one time.")
    max_queued_images: int = Field(256, ge=1, description="Images admitted and not yet answered; more are refused.")
    max_batch_images: int = Field(32, ge=1, description="Images in one run of the model.")
    body_timeout_s: float = Field(30.0, gt=0, description="Time in which a body must have arrived.")
    request_timeout_ms: int = Field(
        2000, ge=1, description="Time from a body's arrival to its answer; X-Request-Timeout-Ms lowers it."
    )
    keep_alive_s: int = Field(75, ge=1, description="Idle connections stay open longer than a load balancer's 60 s.")
    shutdown_timeout_s: int = Field(20, ge=1, description="Time for running requests once new ones are refused.")
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="SHA-256 of each API key, hex, comma-separated; empty serves everybody."
    )
    admin_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="SHA-256 of each key that may load and unload models; good as API keys too."
    )
    metrics_need_key: bool = Field(False, description="Ask for a key at /metrics too.")
    rate_limit: str = Field("", description="Of each key or address, as 100/second or 600/minute burst 50; empty is none.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed, comma-separated."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call this service, comma-separated; `*` is all."
    )
    header_timeout_s: float = Field(10.0, gt=0, description="Time in which a request's header must have arrived.")
    max_header_bytes: int = Field(32 * KIBIBYTE, ge=1024, description="Bytes of one request's header.")
    drain_delay_s: float = Field(
        5.0, ge=0, description="Time after SIGTERM in which /readyz says no and all is served; Ctrl-C waits for nothing."
    )
    workers: int = Field(
        1, ge=1, description="Processes on the one port; each has its share of the threads, and limits of its own."
    )
    run_timeout_s: float = Field(10.0, gt=0, description="A model's run that takes longer fails /livez: nothing else ends it.")
    page_enabled: bool = Field(True, description="Serve the page at /.")
    samples_dir: Path | None = Field(
        None, description="Folder with MNIST (`MNIST/raw`), whose test pictures the page shows; by default what is shipped."
    )
    max_digits: int = Field(64, ge=1, le=256, description="Digits in one picture of /v1/read.")

    @field_validator("models", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("api_keys", "admin_keys", "trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("api_keys", "admin_keys")
    @classmethod
    def _check_hashes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        hashes = tuple(text.lower() for text in value)
        if not all(SHA256.fullmatch(text) for text in hashes):  # what it is instead may be a key, so it is not shown
            raise ValueError("each must be the SHA-256 of a key, 64 hexadecimal digits: printf %s KEY | sha256sum")
        return hashes

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text)
        return value

    @field_validator("rate_limit")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        if value:
            from app.serving.quota import parse_quota  # only a server needs it

            parse_quota(value)
        return value

    @model_validator(mode="after")
    def _check_metrics_key(self) -> Self:
        if self.metrics_need_key and not (self.api_keys or self.admin_keys):
            raise ValueError("DIGITS_METRICS_NEED_KEY needs DIGITS_API_KEYS or DIGITS_ADMIN_KEYS.")
        return self

    @property
    def threads_a_run(self) -> int:
        """CPU threads of one run in this process: as set, else the worker's share of what cgroup and affinity allow."""
        return self.intra_op_threads or max(1, available_cpus() // self.workers)

    @functools.cached_property
    def picture_limits(self) -> Limits:
        """What one file may cost."""
        return Limits(max_file_bytes=self.max_upload_bytes, max_image_pixels=self.max_image_pixels)
