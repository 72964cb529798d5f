"""Inputs that a fuzzer finds by itself: ``pip install atheris && python -m tests.reliability.guided form -max_total_time=60``.

libFuzzer sees which lines of ``app`` an input reaches and keeps what reaches new ones; whatever is no refusal of ours ends it,
with the input in a file. atheris is no requirement of the tests, as it has no wheel for every Python.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["app", "python_multipart"]):
    from app.api.multipart import parse_multipart
    from app.api.v2.tensors import files_of, images_of
    from app.api.v2.wire import split
    from app.digits.errors import DigitsError
    from app.digits.image import Limits, decode
    from app.digits.preprocessing import mnist_frame
    from app.digits.segmentation import find_lines
    from app.digits.table import parse
    from tests import pictures
    from tests.reliability.fuzz import FORM, TENSORS
    from tests.reliability.mutate import SEEDS

LIMITS: Final = Limits(max_image_pixels=40_000)
HEADER: Final = b'{"inputs":[{"name":"%s","shape":[1,1,28,28],"datatype":"%s","parameters":{"binary_data_size":%d}}]}'


def _file(data: bytes) -> None:
    grey = decode(data, LIMITS)
    mnist_frame(grey)
    find_lines(grey)


def _table(data: bytes) -> None:
    parse(data)


def _form(data: bytes) -> None:
    parse_multipart(data, b"b", max_files=64)


def _tensor(data: bytes) -> None:
    """Two bytes say how long the header is."""
    request, binary = split(data[2:], int.from_bytes(data[:2], "big"))
    for tensor in request.inputs:
        (files_of if tensor.datatype == "BYTES" else images_of)(tensor, binary, 256)


def _tensors() -> list[bytes]:
    found = []
    for datatype, (name, _, data) in TENSORS.items():
        header = HEADER % (name.encode(), datatype.encode(), len(data))
        found.append(len(header).to_bytes(2, "big") + header + data)
    return found


TARGETS: Final[dict[str, tuple[Callable[[bytes], None], list[bytes]]]] = {
    "file": (_file, list(SEEDS.values())),
    "table": (_table, list(pictures.CSVS.values())),
    "form": (_form, [FORM]),
    "tensor": (_tensor, _tensors()),
}


def main(name: str, *options: str) -> None:
    """Fuzz one target, from real inputs on; the options are libFuzzer's."""
    target, seeds = TARGETS[name]

    def once(data: bytes) -> None:
        with suppress(DigitsError):
            target(data)

    with tempfile.TemporaryDirectory(prefix="digits-") as corpus:
        for index, seed in enumerate(seeds):
            (Path(corpus) / str(index)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, *options], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
