"""The models that are loaded, each with its batcher, and those that could not be, each with its reason."""

from __future__ import annotations

import functools
import itertools
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol
from weakref import WeakSet

import numpy as np

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.errors import DigitsError, ModelError, ModelMissing, NotReady, ProviderUnavailable, ShuttingDown, UnknownModel
from app.digits.session import SHAPE_BOUND
from app.serving.batcher import Batcher
from app.serving.drift import DriftWatch

log = logging.getLogger(__name__)

GONE: Final = "Its folder is gone from DIGITS_MODELS_DIR."

Loader = Callable[[Path], DigitClassifier]


class BatchObserver(Protocol):
    """Told the model and the size of each run."""

    def __call__(self, model: str, images: int, /) -> None: ...


class SwapObserver(Protocol):
    """Told the identities of the model that goes, if any, and of the one that comes, if any."""

    def __call__(self, old: dict[str, str] | None, new: dict[str, str] | None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One model of the repository.

    Attributes:
        name: of its folder.
        version: that is served; None where none is.
        state: whether it answers.
        reason: why it, or its newest version, is not served.
    """

    name: str
    version: str | None
    state: Literal["READY", "UNAVAILABLE"]
    reason: str | None


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


class Registry:
    """Loads models and finds them by name. Readiness needs the default model only.

    ``load``, ``unload`` and ``reload`` block for as long as a model takes to load, one at a time, and belong on a thread;
    everything else is for the event loop. What the loop reads is replaced whole, never changed in place.

    Attributes:
        default: the model that answers when a request names none.
        failed: models whose newest version is not served, and why; an older one may be.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        names: tuple[str, ...] = (),
        default: str,
        load: Loader = DigitClassifier.load,
        max_batch_images: int = 32,
        on_batch: BatchObserver = lambda _model, _images: None,
        more_to_come: Callable[[], bool] = lambda: False,
        is_alone: Callable[[], bool] = lambda: False,
        on_swap: SwapObserver = lambda _old, _new: None,
        close_timeout_s: float = 5.0,
        load_timeout_s: float = 300.0,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            models_dir: holds one folder for each model.
            names: which to load; all folders with a manifest if empty.
            default: answers when a request names none.
            load: makes a classifier of a folder.
            max_batch_images: images in one run.
            on_batch: told of each run.
            more_to_come: see ``Batcher``.
            is_alone: see ``Batcher``.
            on_swap: told of each model that comes or goes.
            load_timeout_s: how long a load may keep others from beginning.
            close_timeout_s: what ``close`` waits for loads and runs together; shorter than any stop timeout leaves.
        """
        self.default = default
        self.failed: dict[str, str] = {}
        self._served: dict[str, ServedModel] = {}
        # A batcher that has ended goes, and its model with it; one whose run hangs stays.
        self._retired: WeakSet[Batcher] = WeakSet()
        self._models_dir = models_dir
        self._names = names
        self._load = load
        self._max_batch_images = max_batch_images
        self._on_batch = on_batch
        self._more_to_come, self._is_alone = more_to_come, is_alone
        self._on_swap = on_swap
        self._close_timeout_s = close_timeout_s
        self._load_timeout_s = load_timeout_s
        self._loading = threading.RLock()
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether the default model answers."""
        return self.default in self._served

    @property
    def not_ready_reason(self) -> str | None:
        """Why the default model does not answer; None if it does."""
        if self.ready:
            return None
        return f"The default model {self.default!r} is not loaded. {self.failed.get(self.default, '')}".rstrip()

    @property
    def served(self) -> list[ServedModel]:
        """The loaded models, the default first, then by name."""
        return sorted(self._served.values(), key=lambda model: (model.name != self.default, model.name))

    def get(self, name: str | None = None) -> ServedModel:
        """The model of that name, or the default. It answers for as long as the caller holds it, swapped or not.

        Raises:
            NotReady: the default model is asked for and not loaded.
            UnknownModel: none of that name is loaded.
        """
        try:
            return self._served[self.default if name is None else name]
        except KeyError:
            if name is None or name == self.default:
                raise NotReady(str(self.not_ready_reason)) from None
            raise self._unknown(name) from None

    def index(self) -> list[IndexEntry]:
        """Every model that is loaded, could not be, or lies in the folder; reads the folder, so it belongs on a thread."""
        served, failed = self._served, self.failed
        return [
            IndexEntry(name, served[name].identity["version"], "READY", failed.get(name))
            if name in served
            else IndexEntry(name, None, "UNAVAILABLE", failed.get(name, "It is not loaded."))
            for name in sorted({*served, *failed, *self._found()})
        ]

    def stalled(self, after_s: float) -> list[str]:
        """Names of the models, replaced ones too, whose current run has been running for longer."""
        batchers = [*(model.batcher for model in self._served.values()), *self._retired]
        return sorted({batcher.name for batcher in batchers if batcher.stalled_s > after_s})

    def load_default(self) -> None:
        """Load the model that readiness needs, unless that was tried before.

        Hardware that is asked for and not there does not end the service: it is not ready, and says why.

        Raises:
            ModelError: the model cannot be served anywhere; the message says what to do.
        """
        if self.ready or self.default in self.failed:
            return
        try:
            self.load(self.default)
        except ProviderUnavailable as exc:
            _log_failure(self.default, exc)

    def load_others(self) -> None:
        """Load the rest; one that cannot be served is remembered in ``failed`` with its reason."""
        for name in self._names or self._found():
            if name not in self._served and name not in self.failed:
                self._try_to_load(name)

    def load(self, name: str) -> None:
        """Load a model from its folder, test it, warm it up, and let it take the place of the one that is served, if any.

        Requests that found the old one are answered by it.

        Raises:
            ModelError, ProviderUnavailable: the model cannot be served; the old one stays, and ``failed`` says why.
            UnknownModel: no model can have that name.
            NotReady: another load hangs.
            ShuttingDown: ``close`` was called.
        """
        with self._alone():
            if self._closed:
                raise ShuttingDown("The service is stopping.")
            try:
                self._swap(name, self._make(name))
            except (ModelError, ProviderUnavailable) as exc:
                if self._is_expected(name):
                    self.failed = {**self.failed, name: str(exc)}
                raise

    def unload(self, name: str) -> None:
        """Stop serving a model; requests that found it are answered.

        Raises:
            UnknownModel: none of that name is loaded.
            NotReady: a load hangs.
        """
        with self._alone():
            if name not in self._served:
                raise self._unknown(name)
            self._swap(name, None)

    def reload(self) -> None:
        """Read the folder again: load what is new or changed, unload what is gone; reasons of failures are in ``failed``."""
        try:
            with self._alone():
                self._reload()
        except NotReady as exc:
            log.error("models not read again", extra={"reason": str(exc)})

    def close(self) -> None:
        """Finish what is queued and end the runner threads; a load or a run that hangs is left behind in time."""
        until = time.monotonic() + self._close_timeout_s
        self._closed = True
        if self._loading.acquire(timeout=self._close_timeout_s):
            self._loading.release()
        for model in self._served.values():
            model.batcher.close(max(0.0, until - time.monotonic()))

    def _reload(self) -> None:
        names = {self.default, *self._served, *(self._names or self._found())}
        self.failed = {name: reason for name, reason in self.failed.items() if name in names}
        for name in sorted(names):
            if name in self._served and not (self._models_dir / name / manifests.MANIFEST_FILE).is_file():
                self.unload(name)
                self.failed = {**self.failed, name: GONE}
            elif self._changed(name):
                self._try_to_load(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One load at a time; one that hangs, on a pipe or a dead network drive, must not take every later caller's thread."""
        if not self._loading.acquire(timeout=self._load_timeout_s):
            raise NotReady(
                f"Another model has been loading for more than {self._load_timeout_s:g} s; try again, or restart the service."
            )
        try:
            yield
        finally:
            self._loading.release()

    def _is_expected(self, name: str) -> bool:
        """Whether a model of that name should be there; a client may ask for any name, and must not fill ``failed``."""
        return name in {self.default, *self._names, *self._served} or (self._models_dir / name).is_dir()

    def _found(self) -> list[str]:
        return sorted(path.parent.name for path in self._models_dir.glob(f"[!.]*/{manifests.MANIFEST_FILE}"))

    def _folder(self, name: str) -> Path:
        """The model's folder; the name may come from a client, and must not lead anywhere else."""
        if not re.fullmatch(manifests.MODEL_NAME, name):
            raise self._unknown(name)
        folder = self._models_dir / name
        if not folder.is_dir():
            raise ModelMissing(
                f"There is no model folder {name!r} in {self._models_dir.name!r}; set DIGITS_MODELS_DIR to the folder of "
                "the models, or make one with `make train`."
            )
        return folder

    def _changed(self, name: str) -> bool:
        """Whether the folder holds another manifest than the one served, or files that are not the manifest's."""
        if name not in self._served:
            return True
        try:
            manifest = manifests.read(self._folder(name))
            manifests.verify(self._folder(name), manifest)
        except DigitsError:
            return True
        return manifest != self._served[name].classifier.manifest

    def _try_to_load(self, name: str) -> None:
        try:
            self.load(name)
        except DigitsError as exc:
            _log_failure(name, exc)

    def _make(self, name: str) -> ServedModel:
        folder = self._folder(name)
        try:
            classifier = self._load(folder)
            classifier.self_test(folder)
        except OSError as exc:
            raise ModelMissing(f"A file of model {name!r} went away while it was read; load it again.") from exc
        sizes = batch_sizes(self._max_batch_images)
        for size in sizes:  # the first run of a shape allocates, and on a GPU searches for the fastest algorithm
            classifier.infer(np.zeros((size, 1, 28, 28), np.uint8))
        batcher = Batcher(
            classifier.infer,
            name=name,
            max_batch_images=self._max_batch_images,
            is_bounded=classifier.session.is_bounded,
            padded_sizes=sizes if classifier.session.provider in SHAPE_BOUND else (),
            more_to_come=self._more_to_come,
            is_alone=self._is_alone,
            on_batch=functools.partial(self._on_batch, name),
        )
        return ServedModel(classifier, batcher)

    def _swap(self, name: str, new: ServedModel | None) -> None:
        old = self._served.get(name)
        others = {other: model for other, model in self._served.items() if other != name}
        self._served = others | ({} if new is None else {name: new})
        self.failed = {other: reason for other, reason in self.failed.items() if other != name}
        if old is not None:
            old.batcher.retire()
            self._retired = WeakSet([*self._retired, old.batcher])
        self._on_swap(old.identity if old else None, new.identity if new else None)
        if new is None:
            log.info("model unloaded", extra={"model": name})
        else:
            identity = {f"model_{key}": value for key, value in new.identity.items()}
            log.info("model served", extra={**identity, "intra_op_threads": new.classifier.session.intra_op_threads})

    def _unknown(self, name: str) -> UnknownModel:
        loaded = ", ".join(model.name for model in self.served)
        return UnknownModel(f"No model named {name[:64]!r} is loaded; there are: {loaded}.")


def _log_failure(name: str, error: DigitsError) -> None:
    log.error("model not served", extra={"model": name, "reason": str(error)})


def batch_sizes(most: int) -> tuple[int, ...]:
    """The powers of two below ``most``, and itself: the shapes that are warmed up, and that a GPU gets."""
    return (*itertools.takewhile(lambda size: size < most, (2**power for power in itertools.count())), most)
