"""What a result's file is written in, by its suffix: Parquet, CSV or JSON lines. A part is a piece of such a file."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from app.many.errors import CannotBegin
from app.many.rows import Cell, Row

Columns = dict[str, type]
# As on the wire (``app.api.predict``); Parquet keeps the model's own float32.
PROBABILITY_DIGITS: Final = 6
# Rows of one Parquet row group: large enough to compress and to scan well, and some ten megabytes in memory.
GROUP_ROWS: Final = 65_536


class Format(Protocol):
    """How rows become bytes, and how parts become one file."""

    def part(self, rows: Sequence[Row]) -> bytes:
        """The rows as one part."""

    def join(self, parts: Iterable[Path], out: BinaryIO, about: str) -> None:
        """Write the parts, in order, as one file; ``about`` is kept in it where the format has a place for it."""


def format_of(suffix: str, columns: Columns) -> Format:
    """The format for a file's suffix.

    Raises:
        CannotBegin: it is none of ours, or what it needs is not installed.
    """
    if suffix == ".parquet":
        return Parquet(columns)
    if suffix == ".csv":
        return Csv(columns)
    if suffix == ".jsonl":
        return JsonLines()
    raise CannotBegin(f"The result can be .parquet, .csv or .jsonl, not {suffix or 'a file without a suffix'}.")


class JsonLines:
    """One JSON object a line."""

    def part(self, rows: Sequence[Row]) -> bytes:
        return "".join(json.dumps(_rounded(row), ensure_ascii=False) + "\n" for row in rows).encode()

    def join(self, parts: Iterable[Path], out: BinaryIO, about: str) -> None:  # noqa: ARG002 - no place for it
        _append(parts, out)


class Csv:
    """One line of names, then one a row; nothing for what is empty, ``true`` and ``false``."""

    def __init__(self, columns: Columns) -> None:
        self._columns = list(columns)

    def part(self, rows: Sequence[Row]) -> bytes:
        return self._written([[_as_text(value) for value in _rounded(row).values()] for row in rows])

    def join(self, parts: Iterable[Path], out: BinaryIO, about: str) -> None:  # noqa: ARG002 - no place for it
        out.write(self._written([self._columns]))
        _append(parts, out)

    @staticmethod
    def _written(lines: Iterable[Sequence[Cell]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue().encode()


class Parquet:
    """Apache Parquet; needs pyarrow (extra ``many``)."""

    def __init__(self, columns: Columns) -> None:
        try:
            import pyarrow as arrow
            import pyarrow.parquet
        except ImportError as exc:
            raise CannotBegin("Parquet needs pyarrow: pip install 'digits[many]'; .csv and .jsonl need nothing.") from exc
        self._arrow: Any = arrow
        types = {str: arrow.string(), float: arrow.float32(), bool: arrow.bool_()}
        self._schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])

    def part(self, rows: Sequence[Row]) -> bytes:
        out = io.BytesIO()
        self._arrow.parquet.write_table(self._arrow.Table.from_pylist(list(rows), schema=self._schema), out)
        return out.getvalue()

    def join(self, parts: Iterable[Path], out: BinaryIO, about: str) -> None:
        schema = self._schema.with_metadata({"digits": about})
        with self._arrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
            held: list[Any] = []
            for part in parts:
                held.append(self._arrow.parquet.read_table(part, schema=self._schema, memory_map=False))
                if sum(table.num_rows for table in held) >= GROUP_ROWS:
                    self._write(writer, held)
                    held = []
            if held:
                self._write(writer, held)

    def _write(self, writer: Any, tables: list[Any]) -> None:
        table = self._arrow.concat_tables(tables)
        writer.write_table(table.cast(writer.schema), row_group_size=table.num_rows)


def _append(parts: Iterable[Path], out: BinaryIO) -> None:
    for part in parts:
        with part.open("rb") as file:
            shutil.copyfileobj(file, out)


def _rounded(row: Row) -> Row:
    return {name: round(value, PROBABILITY_DIGITS) if isinstance(value, float) else value for name, value in row.items()}


def _as_text(value: Cell) -> Cell:
    return str(value).lower() if isinstance(value, bool) else value
