"""Flags that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder that holds MNIST/raw; DIGITS_DATA_DIR, else data/.", show_default=False),
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Where the model's pictures are now, if they were moved.", show_default=False),
]
