"""Debian's Chromium and what a tab of it did."""

from __future__ import annotations

import shutil
from typing import Final

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
