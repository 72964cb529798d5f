"""What the model saw of a picture, for answers that show it."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from app.digits.preprocessing import Frame


def preview_of(frame: Frame) -> dict[str, Any]:
    """The frame as a PNG, where it came from, and what was done on the way: the form ``schemas.Preview``."""
    png = io.BytesIO()
    Image.fromarray(frame.image[0]).save(png, "PNG")
    return {"image": data_uri(png.getvalue()), "box": frame.box, "steps": frame.steps}


def data_uri(png: bytes) -> str:
    """A PNG file as a URI that pages show without another request."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
