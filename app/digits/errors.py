"""Everything that the core and the serving room raise on purpose.

    DigitsError
    ├── PictureError              the caller's picture cannot be read
    │   ├── EmptyFile             no bytes at all
    │   ├── FileTooLarge          more bytes than the limit
    │   ├── TooManyPixels         more pixels than the limit, by the file's own header
    │   ├── UnsupportedFormat     neither a known picture format nor a 28×28 table
    │   ├── BrokenPicture         a known format whose content is damaged
    │   ├── BrokenTable           a CSV that is not 28×28 numbers of a known range
    │   ├── BlankPicture          nothing is drawn on it
    │   └── TooManyDigits         more digits on it than the limit
    ├── InvalidTopK               ``top_k`` below 1 or above the number of labels
    ├── UnknownLabel              the model has no such label
    ├── NoReader                  the model answers whole pictures only
    ├── ModelError                a model folder cannot be served
    │   ├── ModelMissing          no such folder, or a file of it is gone
    │   ├── ManifestInvalid       the manifest is not readable or not of a known schema
    │   ├── ModelAltered          a file's SHA-256 is not the manifest's
    │   ├── ModelBroken           the graph does not load, or has other inputs or outputs than the manifest says
    │   └── SelfTestFailed        a golden picture got another answer than the manifest's
    ├── ProviderUnavailable       the asked-for hardware cannot run the model
    ├── UnknownModel              no model of that name is loaded
    └── ServingError              the service cannot take or finish the work now
        ├── QueueFull
        ├── DeadlineExceeded
        ├── NotReady              the default model does not answer
        ├── ModelStalled          a run of a model does not end
        └── ShuttingDown

Messages are one sentence for the person who can mend it, without paths of the server. HTTP statuses are not here:
``app.api.problems`` holds the one table.
"""

from __future__ import annotations


class DigitsError(Exception):
    """Root of all errors that Digits raises on purpose."""


class PictureError(DigitsError):
    """The caller's picture cannot be read."""


class EmptyFile(PictureError):
    """The file holds no bytes."""


class FileTooLarge(PictureError):
    """The file holds more bytes than the limit."""


class TooManyPixels(PictureError):
    """The file's header announces more pixels than the limit; nothing was decoded."""


class UnsupportedFormat(PictureError):
    """The content is neither a known picture format nor a 28×28 table."""


class BrokenPicture(PictureError):
    """The content begins like a known picture format but cannot be decoded."""


class BrokenTable(PictureError):
    """The content is a CSV, but not 28×28 numbers within 0–255 or 0–1."""


class BlankPicture(PictureError):
    """The picture shows no ink."""


class TooManyDigits(PictureError):
    """The picture shows more digits than the limit."""


class InvalidTopK(DigitsError):
    """``top_k`` is below 1 or above the number of the model's labels."""


class UnknownLabel(DigitsError):
    """The model has no such label."""


class NoReader(DigitsError):
    """The model's frames are whole pictures, so it cannot read several digits of one."""


class ModelError(DigitsError):
    """A model folder cannot be served."""


class ModelMissing(ModelError):
    """The model's folder, or a file that its manifest names, is not there."""


class ManifestInvalid(ModelError):
    """``manifest.json`` is not readable, has unknown fields, or is of a newer schema than this service."""


class ModelAltered(ModelError):
    """A file of the model has another SHA-256 than the manifest says."""


class ModelBroken(ModelError):
    """The graph does not load, does not run, or has other inputs or outputs than the manifest says."""


class SelfTestFailed(ModelError):
    """The model answers a golden picture otherwise than when it was shipped."""


class ProviderUnavailable(DigitsError):
    """The hardware that was asked for cannot run the model here."""


class UnknownModel(DigitsError):
    """No model of that name is loaded."""


class ServingError(DigitsError):
    """The service cannot take or finish the work now; the same request may succeed later."""


class QueueFull(ServingError):
    """As many images wait as the queue may hold."""


class DeadlineExceeded(ServingError):
    """The request's time ran out before its answer was ready."""


class NotReady(ServingError):
    """The default model is not loaded."""


class ModelStalled(ServingError):
    """A run of a model takes longer than it ever should; nothing but a restart ends it."""


class ShuttingDown(ServingError):
    """The service is stopping and takes no new work."""
