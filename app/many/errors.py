"""Why a long run cannot begin or go on.

DigitsError
├── CannotBegin         what was asked for cannot be done
├── RunFailed           it stopped on the way; what was done is kept, and ``--resume`` goes on
└── PictureError
    └── Unreadable      one picture's bytes cannot be had: a row of the result, no end of the run
"""

from __future__ import annotations

from app.digits.errors import DigitsError, PictureError


class CannotBegin(DigitsError):
    """The source, the output or the model is not as it should be."""


class RunFailed(DigitsError):
    """The source, the output or a worker failed on the way; the parts that were finished are kept."""


class Unreadable(PictureError):
    """One picture's bytes cannot be had."""
