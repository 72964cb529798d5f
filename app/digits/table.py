"""A picture written as a CSV: 28 rows of 28 numbers, 0–255 or 0–1, with or without a header row."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.digits.errors import BrokenTable

SIDE: Final = 28
MAX_BYTES: Final = 64 * 1024  # 784 numbers of 17 digits and their separators take 15 KiB
_SEPARATOR: Final = re.compile(r"[,;\t]")
# A sentence rarely has ten separators in its first line; a row of 28 numbers has 27.
_LEAST_SEPARATORS: Final = 9


def looks_like_table(data: bytes) -> bool:
    """True for text whose first line holds about as many separators as a row of numbers."""
    first_line = data[:4096].lstrip().split(b"\n", 1)[0]
    separators = sum(first_line.count(mark) for mark in (b",", b";", b"\t"))
    return b"\0" not in data and separators >= _LEAST_SEPARATORS


def parse(data: bytes) -> NDArray[np.uint8]:
    """Read a 28×28 table.

    Returns:
        uint8 (28, 28). Numbers that are all within 0–1 are read as shares of 255.

    Raises:
        BrokenTable: not text, not 28×28, or a cell that is not a number from 0 to 255.
    """
    rows = [_SEPARATOR.split(line) for line in _text(data).splitlines() if line.strip(",; \t")]
    if len(rows) == SIDE + 1 and _is_header(rows[0]):
        rows = rows[1:]
    if len(rows) != SIDE:
        raise BrokenTable(f"The CSV has {len(rows)} rows; a picture has {SIDE}.")
    values = np.array([_row(number, cells) for number, cells in enumerate(rows, start=1)])
    grey: NDArray[np.uint8] = np.rint(values * 255 if values.max() <= 1 else values).astype(np.uint8)
    return grey


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BrokenTable(f"The CSV has {len(data):,} bytes; one of 28×28 numbers has at most {MAX_BYTES:,}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BrokenTable("The CSV is not UTF-8 text.") from exc


def _is_header(cells: list[str]) -> bool:
    """Words, or numbers that count the columns; a row of pixels too many must not be dropped without a word."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return True
    return numbers == [numbers[0] + column for column in range(SIDE)]


def _row(number: int, cells: list[str]) -> list[float]:
    if len(cells) != SIDE:
        raise BrokenTable(f"Row {number} of the CSV has {len(cells)} values; a picture has {SIDE}.")
    return [_cell(number, cell) for cell in cells]


def _cell(row: int, cell: str) -> float:
    shown = cell.strip()[:20]
    try:
        value = float(cell)
    except ValueError as exc:
        raise BrokenTable(f"Row {row} of the CSV holds {shown!r}, which is not a number.") from exc
    if not 0 <= value <= 255:  # NaN compares false
        raise BrokenTable(f"Row {row} of the CSV holds {shown}; values go from 0 to 255, or from 0 to 1.")
    return value
