"""``digits serve`` with its model's session slowed or broken as a file says, read before each run.

The file (``DIGITS_TEST_FAULT``) holds one word, and for ``slow`` the milliseconds a picture: ``slow 5``, ``raise``, ``nan``,
``shape``, ``hang``; empty, it runs as it is.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from app import logs
from app.digits.classifier import DigitClassifier
from app.digits.errors import ModelBroken
from app.digits.session import Images, ModelSession, Output
from app.main import create_app
from app.server import Server
from app.services import Services
from app.settings import Settings


class FaultySession:
    """A ``ModelSession`` that does to another one's runs what the file says."""

    def __init__(self, inner: ModelSession, fault: Path) -> None:
        self.provider = inner.provider
        self.intra_op_threads = inner.intra_op_threads
        self.is_bounded = False
        self._inner = inner
        self._fault = fault

    def run(self, images: Images) -> Output:
        kind, _, amount = self._fault.read_text().partition(" ")
        output = self._inner.run(images)
        match kind:
            case "slow":
                time.sleep(float(amount) / 1000 * len(images))
            case "raise":
                raise ModelBroken("The graph failed.")
            case "nan":
                return Output(output.logits, np.full_like(output.probabilities, np.nan))
            case "shape":
                return Output(output.logits[:, :3], output.probabilities[:, :3])
            case "hang":
                while self._fault.read_text() == "hang":
                    time.sleep(0.01)
        return output


def main() -> None:
    """Serve; settings come from the environment."""
    settings = Settings()
    logs.configure(settings.log_format, settings.log_level)
    fault = Path(os.environ["DIGITS_TEST_FAULT"])

    def load(folder: Path) -> DigitClassifier:
        classifier = DigitClassifier.load(folder, provider="cpu", intra_op_threads=1)
        classifier.session = FaultySession(classifier.session, fault)
        return classifier

    app = create_app(settings, load=load)
    services: Services = app.state.services
    services.registry.load_default()
    Server(app, settings).run()


if __name__ == "__main__":
    main()
