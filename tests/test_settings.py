from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.settings import MEBIBYTE, PROJECT, Settings

# ARCHITECTURE.md, "Limits by default".
LIMITS = {
    "max_upload_bytes": 10 * MEBIBYTE,
    "max_body_bytes": 32 * MEBIBYTE,
    "max_files": 64,
    "max_image_pixels": 25_000_000,
    "max_inflight_body_bytes": 128 * MEBIBYTE,
    "body_timeout_s": 30,
    "max_queued_images": 256,
    "request_timeout_ms": 2000,
}


def test_settings_defaults_are_the_agreed_limits() -> None:
    settings = Settings()
    assert {name: getattr(settings, name) for name in LIMITS} == LIMITS
    assert (settings.models_dir, settings.default_model, settings.port) == (PROJECT / "models", "cnn", 8000)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", "9001", 9001),
        ("max_files", "7", 7),
        ("models", "cnn, vit ,,", ("cnn", "vit")),
        ("models", "", ()),
        ("docs_enabled", "false", False),
        ("body_timeout_s", "0.5", 0.5),
        ("admin_keys", f"{'a' * 64},{'0' * 64}", ("a" * 64, "0" * 64)),
    ],
)
def test_settings_environment_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object) -> None:
    monkeypatch.setenv(f"DIGITS_{name.upper()}", value)
    assert getattr(Settings(), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("port", "65536"),
        ("max_files", "0"),
        ("body_timeout_s", "0"),
        ("provider", "tpu"),
        ("log_format", "xml"),
        ("intra_op_threads", "0"),
        ("admin_keys", "the key itself"),
    ],
)
def test_settings_bad_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DIGITS_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_settings_other_variables_of_the_project_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_DATA_DIR", "data")
    Settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_picture_limits_are_the_settings() -> None:
    limits = Settings(max_upload_bytes=5, max_image_pixels=6).picture_limits
    assert (limits.max_file_bytes, limits.max_image_pixels) == (5, 6)


def test_settings_every_field_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
