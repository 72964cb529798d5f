"""Whether a picture holds one digit or several: told from the parts of its ink, at no cost beside finding them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from app.digits.components import Component

# What another digit must have of the largest part's height and ink. None of 3,400 pictures of one digit (development sets) has
# such a part apart from its digit, and none has two beside each other in it.
HEIGHT_SHARE: Final = 0.6
MASS_SHARE: Final = 0.3


def count_digits(main: Component, kept: Sequence[Component], parts: Sequence[Component]) -> int:
    """How many digits the parts look like; touching ones are one.

    Args:
        main: the part that framing chose.
        kept: the parts that it takes for the same digit, ``main`` among them.
        parts: all parts that are ink; what touches the border is more often an edge or a neighbour cut off than a digit.
    """
    tall = max(part.height for part in kept)
    labels = {part.label for part in kept}
    apart = [part for part in parts if part.label not in labels and not part.touches and _is_large(part, main, tall)]
    inside = sorted((part for part in kept if _is_large(part, main, tall)), key=lambda part: part.x)
    return 1 + len(apart) + sum(right.x >= left.x + left.width for left, right in pairwise(inside))


def _is_large(part: Component, main: Component, tall: int) -> bool:
    return part.mass >= MASS_SHARE * main.mass and part.height >= HEIGHT_SHARE * tall
