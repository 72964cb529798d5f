"""Every setting of the service, read from ``DIGITS_*`` environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.digits.image import Limits
from app.digits.session import ProviderName

MEBIBYTE = 1024 * 1024
PROJECT = Path(__file__).resolve().parent.parent
KeyHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Settings(BaseSettings):
    """Frozen; ``create_app`` takes one, so two services in one process can differ. Defaults of limits: ARCHITECTURE.md."""

    model_config = SettingsConfigDict(env_prefix="DIGITS_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    models_dir: Path = Field(PROJECT / "models", description="Folder that holds one folder for each model.")
    models: Annotated[tuple[str, ...], NoDecode] = Field((), description="Names to load, comma-separated; empty loads all.")
    default_model: str = Field("cnn", description="The model that answers when a request names none.")
    provider: ProviderName = Field("auto", description="Hardware: auto, cpu or cuda; never another than asked for.")
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
    request_timeout_ms: int = Field(2000, ge=1, description="Time from a body's arrival to its answer.")
    keep_alive_s: int = Field(75, ge=1, description="Idle connections stay open longer than a load balancer's 60 s.")
    shutdown_timeout_s: int = Field(20, ge=1, description="Time for running requests after SIGTERM.")
    admin_keys: Annotated[tuple[KeyHash, ...], NoDecode] = Field(
        (), description="SHA-256 of each key that may load and unload models; good as API keys too."
    )

    @field_validator("models", "admin_keys", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @property
    def picture_limits(self) -> Limits:
        """What one file may cost."""
        return Limits(max_file_bytes=self.max_upload_bytes, max_image_pixels=self.max_image_pixels)
