import subprocess
import sys

import pytest

from training.recipe import Recipe
from training.recipes import RECIPES


def training(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"})


def test_train_help_explains_every_field_of_the_recipe() -> None:
    shown = training("train", "--help").stdout
    for name, field in Recipe.model_fields.items():
        assert f"--{name.replace('_', '-')}" in shown
        assert field.description is not None and field.description[:40] in shown
    assert f"(recipe cnn: {RECIPES['cnn'].epochs})" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--recipe", "nope"), "no recipe named 'nope'"),
        (("train", "--learning-rate", "-1"), "--learning-rate: Input should be greater than 0"),
        (("export", "no-such-run"), "holds no run.json"),
        (("evaluate", "no-such-model"), "has no manifest.json"),
        (("reference", "no-such-model"), "has no manifest.json"),
    ],
)
def test_command_line_fault_is_one_sentence_and_exit_code_one(arguments: tuple[str, ...], sentence: str) -> None:
    result = training(*arguments)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
