from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app import cli
from app.digits.classifier import DigitClassifier
from app.settings import PROJECT
from tests import pictures
from tests.digits.written import written
from tests.fakes import change_one_byte, make_model_folder, read_manifest, write_manifest
from tests.server import Server
from training.strokes import as_png

SEVEN = PROJECT / "samples/7.png"


def _altered(folder: Path) -> None:
    change_one_byte(folder / "model.onnx")


def _newer(folder: Path) -> None:
    write_manifest(folder, read_manifest(folder) | {"schema_version": 2})


def _missing(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _environment(**settings: str) -> dict[str, str]:
    return os.environ | {f"DIGITS_{name}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    ("damage", "what", "remedy"),
    [
        (_missing, "no model folder 'cnn'", "DIGITS_MODELS_DIR"),
        (_altered, "model.onnx of model 'cnn' was altered", "restore the folder"),
        (_newer, "manifest schema 2", "upgrade the service"),
    ],
)
def test_serve_bad_default_model_ends_with_one_sentence(
    tmp_path: Path, damage: Callable[[Path], None], what: str, remedy: str
) -> None:
    damage(make_model_folder(tmp_path))
    command = [sys.executable, "-m", "app.cli", "serve"]
    environment = _environment(MODELS_DIR=str(tmp_path), PORT="0")
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert what in line
    assert remedy in line


def test_serve_real_model_answers_and_sigterm_ends_it_well(tmp_path: Path, shipped: DigitClassifier) -> None:
    with Server(tmp_path / "log") as server:
        predict = f"{server.url}/v1/predict"
        response = httpx.post(predict, files={"files": SEVEN.read_bytes()}, headers={"x-request-id": "seven"})
        malformed = httpx.post(predict, content=pictures.SVG, headers={"content-type": "image/svg+xml"})
        assert server.stop() == 0
    (prediction,) = response.json()["predictions"]
    (expected,) = shipped.classify([SEVEN.read_bytes()])
    assert prediction["label"] == expected.label
    assert prediction["probability"] == pytest.approx(expected.probability, abs=1e-4)
    assert malformed.status_code == 415
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert "seven" in [line.get("request_id") for line in lines]


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """``digits`` with these arguments, in this process: its exit code."""
    monkeypatch.setattr(sys, "argv", ["digits", *arguments])
    try:
        return cli.main()
    except SystemExit as exc:
        return int(exc.code or 0)


def test_classify_pictures_prints_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shipped: DigitClassifier
) -> None:
    paths = [PROJECT / f"samples/{digit}.png" for digit in (3, 7)]
    assert _run(monkeypatch, "classify", *map(str, paths), "--device", "cpu") == 0
    expected = [prediction.label for prediction in shipped.classify([path.read_bytes() for path in paths])]
    assert capsys.readouterr().out.splitlines() == [f"{path}: {label}" for path, label in zip(paths, expected, strict=True)]


def test_read_prints_a_line_each_and_reports_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    number, lines, blank = (tmp_path / name for name in ("number.png", "lines.png", "blank.png"))
    number.write_bytes(as_png(written("2047")))
    lines.write_bytes(as_png(written(["25", "69"])))
    blank.write_bytes(as_png(pictures.WHITE))
    assert _run(monkeypatch, "read", str(number), str(blank), str(lines), "--device", "cpu") == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{number}: 2047", f"{lines}: 25 69"]
    assert err.startswith(f"{blank}: ")


def test_classify_probability_prints_the_ranking(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "classify", str(SEVEN), "--probability", "--top-k", "2") == 0
    assert capsys.readouterr().out.count("%") == 2


def test_classify_json_is_one_object_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "seven.csv"
    table.write_bytes(pictures.csv())
    assert _run(monkeypatch, "classify", str(SEVEN), str(table), "--json") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["picture"] for answer in answers] == [str(SEVEN), str(table)]
    assert all(answer["label"] == answer["top_k"][0]["label"] for answer in answers)


@pytest.mark.parametrize("flags", [[], ["--probability"]])
def test_classify_of_a_model_that_abstains_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str]
) -> None:
    folder = tmp_path / "cnn"
    shutil.copytree(PROJECT / "models/cnn", folder)
    rule = {"method": "probability", "thresholds": {"probability": 1, "two_labels": 1}, "validation": 0}
    write_manifest(folder, read_manifest(folder) | {"abstention": rule})
    monkeypatch.setenv("DIGITS_MODELS_DIR", str(tmp_path))
    assert _run(monkeypatch, "classify", str(SEVEN), *flags) == 0
    assert f"{SEVEN}: abstained (not a digit)" in capsys.readouterr().out
    assert _run(monkeypatch, "classify", str(SEVEN), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["label"], answer["abstained"], answer["reason"]) == (None, True, "not_a_digit")
    assert answer["top_k"][0]["label"] == "7"


def test_classify_bad_picture_is_told_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = tmp_path / "notes.png"
    text.write_text("My notes.")
    assert _run(monkeypatch, "classify", str(tmp_path / "absent.png"), str(text), str(SEVEN)) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{SEVEN}: ")
    absent, unsupported = err.splitlines()
    assert "No such file" in absent
    assert "known format" in unsupported


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", str(SEVEN), "--model", "absent"], "'absent' has no manifest.json"),
        (["classify", str(SEVEN), "--top-k", "11"], "top_k is 11"),
    ],
)
def test_command_known_fault_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert _run(monkeypatch, *arguments) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith("error: ")
    assert message in err


def test_command_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DIGITS_PORT", "many")
    assert _run(monkeypatch, "models") == 1
    assert capsys.readouterr().err.startswith("error: DIGITS_PORT: ")


def test_models_lists_what_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make_model_folder(tmp_path, "small")
    monkeypatch.setenv("DIGITS_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    assert _run(monkeypatch, "models") == 0
    out = capsys.readouterr().out
    for shown in ("small", "50.00%", "7,840"):
        assert shown in out


def test_models_empty_folder_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DIGITS_MODELS_DIR", str(tmp_path))
    assert _run(monkeypatch, "models") == 1
    assert "make train" in capsys.readouterr().err


def test_main_without_a_command_shows_them_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _run(monkeypatch)
    shown = "".join(capsys.readouterr())
    for command in ("serve", "classify", "read", "models"):
        assert command in shown
