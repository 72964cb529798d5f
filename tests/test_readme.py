"""The README's commands are run, and its tables held against the code."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from app.digits import manifest as manifests
from app.settings import PROJECT, Settings
from tests.server import Server

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.strip().splitlines()]
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PRINTED = ("0.png 0\n", "90210 [(", "README.md Not a known picture format\n", "[7]\n")
URL = "http://127.0.0.1:8000"
HOST = "127.0.0.1:8000"
# What takes long, or needs an engine, has tests of its own; here the command line must at least be one that exists.
CHECKED_ELSEWHERE = {
    "python -m benchmarks.framing": "tests/benchmarks",
    "docker compose": "tests/container",
    "python -m benchmarks.reading": "tests/benchmarks",
    "python -m training": "tests/training",
    "torchrun": "tests/training",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("readme") / "log") as server:
        yield server


def shell(command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, cwd=PROJECT, env=os.environ | {"PATH": path}
    )


def starting_with(*beginnings: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(beginnings)]


@pytest.mark.parametrize("command", starting_with("curl"))
def test_readme_curl_is_answered(command: str, server: Server) -> None:
    answer = json.loads(shell(f"{command.replace(URL, server.url)} --silent --noproxy '*'").stdout)
    if "/v1/read" in command:
        assert answer["text"] == "90210"
        return
    sent_alone = command.count("README.md") == command.count("files=@") == 1
    assert ("detail" if sent_alone else "drops" if "/v1/explain" in command else "predictions") in answer


@pytest.mark.parametrize(("script", "printed"), [*zip(SCRIPTS, PRINTED, strict=True)])
def test_readme_python_runs(script: str, printed: str, server: Server) -> None:
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", script.replace(HOST, urlsplit(server.url).netloc)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, env=environment)
    assert result.returncode == 0, result.stderr
    assert printed in result.stdout


@pytest.mark.parametrize("command", starting_with("digits"))
def test_readme_digits_command_succeeds(command: str, tmp_path: Path) -> None:
    result = shell(command.replace("--out ", f"--out {tmp_path}/"))
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.parametrize("command", starting_with("make"))
def test_readme_make_target_exists_and_is_listed(command: str) -> None:
    assert shell(f"{command} --dry-run").returncode == 0
    assert f"{command} " in shell("make help").stdout


@pytest.mark.parametrize("command", starting_with("python -m benchmarks.load"))
def test_readme_load_test_runs(command: str, server: Server) -> None:
    result = shell(command.replace(URL, server.url).replace("--seconds 10", "--seconds 1"))
    assert result.returncode == 0, result.stderr


def test_readme_commands_are_all_of_a_kind_that_is_tested() -> None:
    known = ("curl", "digits", "make", "python -m benchmarks.load", *CHECKED_ELSEWHERE)
    assert [command for command in COMMANDS if not command.startswith(known)] == []
    assert all((PROJECT / folder).is_dir() for folder in CHECKED_ELSEWHERE.values())


def test_readme_training_commands_parse() -> None:
    pytest.importorskip("torch", reason="torch is not installed (make install)")
    from training.__main__ import app

    for command in starting_with("python -m training"):
        _, _, _, subcommand, *arguments = shlex.split(command)
        shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [subcommand, "--help"])
        assert shown.exit_code == 0
        assert all(flag in shown.stdout for flag in arguments if flag.startswith("--"))


def test_readme_settings_table_is_the_settings() -> None:
    rows = re.findall(r"^\| `DIGITS_(\w+)` \| `([^`]*)` \| (.*) \|$", README, re.MULTILINE)
    assert rows == [(name.upper(), _shown(field.default), field.description) for name, field in Settings.model_fields.items()]


def test_readme_model_table_is_the_manifests() -> None:
    for path in (PROJECT / "models").glob("*/manifest.json"):
        assert _model_row(manifests.read(path.parent)) in README


def _model_row(manifest: manifests.ModelManifest) -> str:
    test, seeds, cost = manifest.metrics["test"], manifest.seeds, manifest.cost
    cells = (
        f"[{manifest.name}](models/{manifest.name}/MODEL_CARD.md)",
        f"{seeds.mean:.2%} ± {seeds.std:.2%}" if seeds else "one seed",
        f"{test.accuracy:.2%} ({test.interval[0]:.2%} – {test.interval[1]:.2%})",
        f"{test.ece:.2%}",
        f"{cost.macs / 1e6:.1f} M",
        f"{cost.bytes / 1e6:.1f} MB",
    )
    return f"| {' | '.join(cells)} |"


def _shown(default: object) -> str:
    if isinstance(default, Path):
        return default.relative_to(PROJECT).as_posix()
    if default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)
