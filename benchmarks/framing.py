"""CPU time from a file's bytes to the model's input, by kind of picture; nothing is served, and no model runs.

    python -m benchmarks.framing

The pictures are drawn by ``training.strokes``. Other work on the machine does not count as CPU time of this one, but shares its
caches: so kinds take turns, and each one's shortest round counts.
"""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import numpy as np
import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from app.digits.image import Grey, open_picture
from app.digits.preprocessing import mnist_frame
from training.strokes import as_png, draw_digit

SMALL_RUNS: Final = 50  # of a small picture in each round; a large one runs once
LARGE_PIXELS: Final = 1_000_000
WIDTH: Final = 120


def files(large: tuple[int, int] = (4000, 3000)) -> dict[str, bytes]:
    """Each kind of picture; ``large`` is the width and height of those that are."""
    drawing, photograph = draw_digit("7", size=112), _photographed(draw_digit("7", size=112))
    scene = Image.fromarray(_photographed(draw_digit("7", size=large[1]))).resize(large).convert("RGB")
    poster = Image.fromarray(np.asarray(scene) // 16 * 16)
    return {
        "28×28 native frame, PNG": as_png(mnist_frame(drawing).image[0]),
        "112×112 drawing, PNG": as_png(drawing),
        "112×112 photograph, JPEG": _encoded(Image.fromarray(photograph).convert("RGB"), "JPEG", quality=85),
        "12 MP photograph, baseline JPEG": _encoded(scene, "JPEG", quality=90),
        "12 MP photograph, progressive JPEG": _encoded(scene, "JPEG", quality=90, progressive=True),
        "12 MP photograph, WebP": _encoded(scene, "WEBP", quality=80, method=0),
        "12 MP in 16 levels, PNG": _encoded(poster, "PNG", compress_level=1),
        "12 MP in 16 levels, PNG with alpha": _encoded(poster.convert("RGBA"), "PNG", compress_level=1),
    }


def framed(data: bytes) -> None:
    """What the service does with a file before its model runs."""
    mnist_frame(open_picture(data).decode().grey)


def cheapest_ms(works: Mapping[str, Callable[[], None]], runs: Mapping[str, int], rounds: int) -> dict[str, float]:
    """CPU milliseconds of each work's cheapest round, for one run."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(runs[name]):
                work()
            best[name] = min(best[name], (time.process_time() - started) * 1000 / runs[name])
    return best


def render(pictures: Mapping[str, bytes], rounds: int) -> Table:
    """Measure, as a table that can be pasted into Markdown."""
    works = {name: functools.partial(framed, data) for name, data in pictures.items()}
    runs = {name: 1 if open_picture(data).pixels > LARGE_PIXELS else SMALL_RUNS for name, data in pictures.items()}
    table = Table("picture", "file", "CPU ms", box=box.MARKDOWN)
    for name, milliseconds in cheapest_ms(works, runs, rounds).items():
        table.add_row(name, f"{len(pictures[name]) / 1000:,.1f} kB", f"{milliseconds:.2f}")
    return table


def main(rounds: Annotated[int, typer.Option(min=1, help="Of all kinds; the cheapest counts.")] = 10) -> None:
    """Print CPU milliseconds from a file's bytes to the model's input."""
    Console(width=WIDTH).print(render(files(), rounds))


def _photographed(drawing: Grey) -> Grey:
    """Grey ink on grey paper, lit from a corner, with a camera's noise."""
    down, across = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in drawing.shape)
    noise = np.random.default_rng(0).normal(0, 4, drawing.shape).astype(np.float32)
    seen = 60 + drawing * np.float32(0.47) + 40 * across - 20 * down[:, None] + noise
    photograph: Grey = np.rint(seen.clip(0, 255)).astype(np.uint8)
    return photograph


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


if __name__ == "__main__":
    typer.run(main)
