"""One file's bytes → the frame that the model sees; what is too large for the event loop goes to a thread."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import Executor
from typing import Final, NamedTuple

from app.digits.classifier import DigitClassifier
from app.digits.image import Limits, Picture, open_picture
from app.digits.preprocessing import Frame

# Above this many pixels a picture is decoded and framed on a thread. Framing holds the interpreter's lock, so on a thread it
# takes turns with the event loop 5 ms at a time: 16 clients with a 112×112 drawing got 150 answers a second that way. Inline it
# takes about 2 ms, 4 ms at this size, and one picture a turn of the loop.
INLINE_PIXELS: Final = 256 * 256
# So are files of more bytes, opened there too: a header made of a million tiny parts takes a second for each 3 MB.
INLINE_BYTES: Final = 32 * 1024


class Framed(NamedTuple):
    """A frame, and the seconds that decoding and framing took."""

    frame: Frame
    decode_s: float
    preprocess_s: float


async def open_file(data: bytes, limits: Limits, decoders: Executor, *, is_csv: bool = False) -> Picture:
    """``open_picture``, on a thread where the file is large; takes and raises the same."""
    if len(data) <= INLINE_BYTES:
        return open_picture(data, limits, is_csv=is_csv)
    opening = functools.partial(open_picture, data, limits, is_csv=is_csv)
    return await asyncio.get_running_loop().run_in_executor(decoders, opening)


async def frame_file(
    data: bytes, classifier: DigitClassifier, limits: Limits, decoders: Executor, *, is_csv: bool = False
) -> Framed:
    """Decode and frame one picture file.

    Args:
        data: the whole file.
        classifier: whose framing to use.
        limits: bytes and pixels of the file.
        decoders: threads for large pictures.
        is_csv: the sender says that it is a CSV.

    Raises:
        PictureError: see ``app.digits.errors``.
    """
    if len(data) <= INLINE_BYTES:
        picture = open_picture(data, limits, is_csv=is_csv)
        if picture.pixels <= INLINE_PIXELS:
            return _frame(picture, classifier)
    else:
        picture = await open_file(data, limits, decoders, is_csv=is_csv)
    return await asyncio.get_running_loop().run_in_executor(decoders, _frame, picture, classifier)


def _frame(picture: Picture, classifier: DigitClassifier) -> Framed:
    started = time.perf_counter()
    pixels = picture.decode()
    decoded = time.perf_counter()
    frame = classifier.frame(pixels.grey)
    preprocess_s = time.perf_counter() - decoded
    if pixels.factor > 1:
        frame = frame._replace(box=pixels.in_original(frame.box))
    return Framed(frame, decoded - started, preprocess_s)
