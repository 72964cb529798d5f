"""The models that are loaded, each with its batcher, and those that could not be, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from app.digits.classifier import DigitClassifier
from app.digits.errors import DigitsError, ModelMissing, UnknownModel
from app.digits.manifest import MANIFEST_FILE
from app.serving.batcher import Batcher
from app.serving.drift import DriftWatch

log = logging.getLogger(__name__)

Loader = Callable[[Path], DigitClassifier]


class BatchObserver(Protocol):
    """Told the model and the size of each run."""

    def __call__(self, model: str, images: int, /) -> None: ...


class ServedModel:
    """A model that passed its golden self-test, and the batcher that runs it.

    Attributes:
        classifier: the model.
        batcher: runs it.
        name: its name.
        identity: name, version, sha256 and provider, as each answer carries them.
        drift: counts its traffic; None if its manifest has no reference.
    """

    def __init__(self, classifier: DigitClassifier, batcher: Batcher) -> None:
        manifest = classifier.manifest
        self.classifier = classifier
        self.batcher = batcher
        self.drift = DriftWatch.of(manifest)
        self.name = manifest.name
        self.identity = {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": manifest.sha256,
            "provider": classifier.session.provider,
        }


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A model of the folder: loaded, or not and why."""

    name: str
    version: str | None
    state: Literal["READY", "UNAVAILABLE"]
    reason: str | None


class Registry:
    """Loads models and finds them by name. Readiness needs the default model only."""

    def __init__(
        self,
        models_dir: Path,
        *,
        names: tuple[str, ...] = (),
        default: str,
        load: Loader = DigitClassifier.load,
        max_batch_images: int = 32,
        on_batch: BatchObserver = lambda _model, _images: None,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            models_dir: holds one folder for each model.
            names: which to load; all folders with a manifest if empty.
            default: answers when a request names none.
            load: makes a classifier of a folder.
            max_batch_images: images in one run.
            on_batch: told of each run.
        """
        self.default = default
        self.failed: dict[str, str] = {}
        self._served: dict[str, ServedModel] = {}
        self._models_dir = models_dir
        self._names = names
        self._load = load
        self._max_batch_images = max_batch_images
        self._on_batch = on_batch

    @property
    def ready(self) -> bool:
        """Whether the default model answers."""
        return self.default in self._served

    @property
    def served(self) -> list[ServedModel]:
        """The loaded models, the default first, then by name."""
        return sorted(self._served.values(), key=lambda model: (model.name != self.default, model.name))

    def get(self, name: str | None = None) -> ServedModel:
        """The model of that name, or the default.

        Raises:
            UnknownModel: none of that name is loaded.
        """
        try:
            return self._served[self.default if name is None else name]
        except KeyError:
            loaded = ", ".join(model.name for model in self.served)
            raise UnknownModel(f"No model named {str(name)[:64]!r} is loaded; there are: {loaded}.") from None

    def load_default(self) -> None:
        """Load the model that readiness needs.

        Raises:
            DigitsError: it cannot be served; the message says what to do.
        """
        if not self.ready:
            self._add(self.default)

    def load_others(self) -> None:
        """Load the rest; one that cannot be served is remembered in ``failed`` with its reason."""
        for name in self._names or self._found():
            if name in self._served:
                continue
            try:
                self._add(name)
            except DigitsError as exc:
                self.failed[name] = str(exc)
                log.error("model not served", extra={"model": name, "reason": str(exc)})

    def load(self, name: str) -> None:
        """Load or replace a model; blocks.

        Raises:
            DigitsError: it cannot be served; what was served before still is.
        """
        before = self._served.get(name)
        self._add(name)
        self.failed.pop(name, None)
        if before is not None:
            before.batcher.close()

    def unload(self, name: str) -> None:
        """Serve a model no longer; blocks until what is queued is answered.

        Raises:
            UnknownModel: none of that name is loaded.
        """
        model = self.get(name)
        del self._served[name]
        model.batcher.close()

    def index(self) -> list[IndexEntry]:
        """Every model of the folder, and those that could not be loaded."""
        entries = []
        for name in sorted({*self._found(), *self._served, *self.failed}):
            if model := self._served.get(name):
                entries.append(IndexEntry(name, model.identity["version"], "READY", None))
            else:
                entries.append(IndexEntry(name, None, "UNAVAILABLE", self.failed.get(name, "not loaded")))
        return entries

    def reload(self) -> None:
        """Read the folder again."""
        self.load_others()

    def close(self) -> None:
        """Finish what is queued and end the runner threads."""
        for model in self._served.values():
            model.batcher.close()

    def _found(self) -> list[str]:
        return sorted(path.parent.name for path in self._models_dir.glob(f"[!.]*/{MANIFEST_FILE}"))

    def _add(self, name: str) -> None:
        folder = self._models_dir / name
        if not folder.is_dir():
            raise ModelMissing(
                f"There is no model folder {name!r} in {self._models_dir.name!r}; set DIGITS_MODELS_DIR to the folder of the "
                "models, or make one with `make train`."
            )
        classifier = self._load(folder)
        classifier.self_test(folder)
        for size in (1, self._max_batch_images):  # the first run of a shape allocates
            classifier.infer(np.zeros((size, 1, 28, 28), np.uint8))
        batcher = Batcher(
            classifier.infer,
            name=name,
            max_batch_images=self._max_batch_images,
            on_batch=lambda images: self._on_batch(name, images),
        )
        model = self._served[name] = ServedModel(classifier, batcher)
        log.info(
            "model served",
            extra={f"model_{key}": value for key, value in model.identity.items()}
            | {"intra_op_threads": classifier.session.intra_op_threads},
        )
