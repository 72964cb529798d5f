"""Debian's Chromium and what a tab of it did."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import ConsoleMessage, Page, Request

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
MISSING: Final = "Chromium is not installed (apt-get install chromium)"
# What the browser itself says of an answer that is not 200; the page tells the user of it.
REFUSED: Final = "Failed to load resource"
SEVEN: Final = ((0.28, 0.25), (0.5, 0.24), (0.72, 0.25), (0.6, 0.5), (0.45, 0.8))


def draw(page: Page, points: tuple[tuple[float, float], ...] = SEVEN, canvas: str = "#canvas") -> None:
    box = page.locator(canvas).bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def camera(film: Path, picture: bytes) -> list[str]:
    """Flags for a camera that sees this picture, which is written to a film of one frame."""
    frame = Image.open(io.BytesIO(picture)).convert("YCbCr").resize((320, 240))
    luma, *chroma = frame.split()
    planes = [luma, *(plane.resize((160, 120)) for plane in chroma)]
    film.write_bytes(b"YUV4MPEG2 W320 H240 F30:1 Ip C420jpeg\nFRAME\n" + b"".join(plane.tobytes() for plane in planes))
    return ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]


class Witness:
    """Notes a tab's complaints and its requests.

    Attributes:
        complaints: errors of scripts, and whatever the policy forbade.
        requested: all addresses, without those of data in the page itself.
    """

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)

    def _see(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requested.append(request.url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and REFUSED not in message.text:
            self.complaints.append(message.text)
