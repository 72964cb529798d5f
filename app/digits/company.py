"""Whether a picture holds one digit or several: told from the parts of its ink, at no cost beside finding them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from app.digits.components import Component

# What another digit has of the largest part's height and of the main part's ink, at least and at most. Of 3,424 pictures of one
# digit (development sets) two have such a part apart from their digit, and none has two of them beside each other in it.
HEIGHT_SHARES: Final = (0.6, 1.7)
MASS_SHARES: Final = (0.3, 3.0)


def count_digits(main: Component, kept: Sequence[Component], parts: Sequence[Component]) -> int:
    """How many digits the parts look like; touching ones are one.

    Args:
        main: the part that framing chose.
        kept: the parts that it takes for the same digit, ``main`` among them.
        parts: all parts that are ink, those too that the border cuts off.
    """
    tall = max(part.height for part in kept)
    labels = {part.label for part in kept}
    apart = [part for part in parts if part.label not in labels and _is_as_large(part, main, tall)]
    inside = sorted((part for part in kept if _is_as_large(part, main, tall)), key=lambda part: part.x)
    return 1 + len(apart) + sum(right.x >= left.x + left.width for left, right in pairwise(inside))


def _is_as_large(part: Component, main: Component, tall: int) -> bool:
    (shortest, tallest), (least, most) = HEIGHT_SHARES, MASS_SHARES
    return shortest * tall <= part.height <= tallest * tall and least * main.mass <= part.mass <= most * main.mass
