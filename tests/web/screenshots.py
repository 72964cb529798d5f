"""The README's pictures of the page: every view, in a wide and a narrow window, light and dark.

    python -m tests.web.screenshots [VIEW…]

serves the shipped models and writes ``figures/page/VIEW-WIDTH-SCHEME.png``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.settings import PROJECT
from tests.server import Server
from tests.web.browser import CHROMIUM, FLAGS, draw
from training.strokes import arc

FOLDER: Final = PROJECT / "figures/page"
SAMPLES: Final = PROJECT / "samples"
NINE: Final = (*arc(0.50, 0.36, 0.15, 0.18, 0, -360), (0.64, 0.60), (0.60, 0.84))
WIDTHS: Final = (1400, 400)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
# Of a picture in the repository: its colours, and the height of the page that it shows.
COLOURS: Final = 256
TALLEST: Final = 1600


def draw_and_explain(page: Page) -> None:
    """A nine that was written, and which pixels decided: the loop's, or it would be a 4 or a 7."""
    draw(page, NINE)
    expect(page.locator("#digit")).to_have_text("9")
    page.locator(".bars .best button").click()
    expect(page.locator(".why img")).to_be_visible()
    expect(page.locator(".score")).to_contain_text("right")


def many_files(page: Page) -> None:
    """Results of many files, with one that is no picture."""
    page.locator("#files").set_input_files([*sorted(SAMPLES.glob("?.png")), PROJECT / "README.md"])
    expect(page.locator("#results > p")).to_contain_text("1 refused.")


def read_a_number(page: Page) -> None:
    """Digits boxed in a photograph."""
    page.locator("#number-file").set_input_files(SAMPLES / "numbers/90210.jpg")
    expect(page.locator("#text")).to_have_text("90210")
    page.locator(".box").nth(2).hover()


def compare(page: Page) -> None:
    """One seven through every model, and their agreement over the samples."""
    page.get_by_role("button", name="Compare on the 25 samples").click()
    expect(page.locator(".session")).to_contain_text("of 25 pictures")
    draw(page)
    expect(page.locator(".session")).to_contain_text("of 26 pictures")


def measure_models(page: Page) -> None:
    """The zoo with its times here."""
    page.get_by_role("button", name="Measure the time here").click()
    expect(page.locator("#models tbody tr").last.locator("td").nth(4)).to_contain_text("ms")


def open_card(page: Page) -> None:
    """The card of the default model."""
    page.get_by_role("button", name="Card of cnn", exact=True).click()
    expect(page.get_by_role("dialog").locator("table").first).to_be_visible()


def code(page: Page) -> None:
    """What repeats the last call."""
    expect(page.locator("#developers code").first).to_be_visible()


VIEWS: Final[dict[str, tuple[str, Callable[[Page], None]]]] = {
    "draw": ("draw", draw_and_explain),
    "files": ("draw", many_files),
    "read": ("read", read_a_number),
    "compare": ("compare", compare),
    "models": ("models", measure_models),
    "card": ("models", open_card),
    "developers": ("developers", code),
}


def main(names: list[str]) -> None:
    """Take the named pictures, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=30_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in names or VIEWS:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    take(browser, server.url, name, width, scheme)
        browser.close()


def take(browser: Browser, url: str, name: str, width: int, scheme: Literal["light", "dark"]) -> None:
    """One picture, with few colours, as it stays in the repository."""
    anchor, act = VIEWS[name]
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 860}) as context:
        page = context.new_page()
        page.goto(f"{url}/#{anchor}")
        act(page)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    path = FOLDER / f"{name}-{width}-{scheme}.png"
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
