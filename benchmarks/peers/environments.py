"""The peers' virtual environments, each with its own pins, and what is installed in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.contender import ContenderError


def ensure(prefix: Path, requirements: Path) -> None:
    """Make the environment ``prefix`` with ``requirements``, unless it has them; raises ContenderError where pip fails."""
    stamp = prefix / "installed.txt"
    if stamp.is_file() and stamp.read_bytes() == requirements.read_bytes():
        return
    python = str(prefix / "bin" / "python")
    if not Path(python).exists():
        _run([sys.executable, "-m", "venv", str(prefix)])
    _run([python, "-m", "pip", "install", "--quiet", "--requirement", str(requirements)])
    stamp.write_bytes(requirements.read_bytes())


def versions(prefix: Path, packages: Iterable[str]) -> dict[str, str]:
    """Version of each package that is installed in ``prefix``."""
    folders = [str(folder) for folder in prefix.glob("lib/python*/site-packages")]
    installed = {each.name.lower(): each.version for each in distributions(path=folders)}
    return {name: installed[name] for name in packages if name in installed}


def _run(words: list[str]) -> None:
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise ContenderError(f"It could not be installed. {errors[-1] if errors else done.stderr.strip()}")
