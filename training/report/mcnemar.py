"""McNemar's test (1947): do two models that answered the same pictures differ by more than chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True)
class Verdict:
    """What two models got right on the same n pictures.

    Attributes:
        both: right by both.
        only_first: right by the first alone.
        only_second: right by the second alone.
        neither: right by neither.
        p_value: exact, two-sided: how often a fair coin would split the pictures on which they differ at least so unevenly.
        difference: accuracy of the second less that of the first.
        interval: its 95 % interval (Bonett and Price 2012), for pictures that both answered.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float
    difference: float
    interval: tuple[float, float]


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Verdict:
    """Compare two models by which pictures (N,) each got right."""
    n = len(first_right)
    only_first, only_second = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    both = int((first_right & second_right).sum())
    discordant = only_first + only_second
    return Verdict(
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=n - both - discordant,
        p_value=float(binomtest(only_first, discordant).pvalue) if discordant else 1.0,
        difference=(only_second - only_first) / n,
        interval=_paired_interval(only_first, only_second, n),
    )


def _paired_interval(only_first: int, only_second: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Bonett and Price's adjusted Wald interval of a difference of paired shares."""
    lost, won = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = z * float(np.sqrt((lost + won - (won - lost) ** 2) / (n + 2)))
    return max(-1.0, won - lost - half), min(1.0, won - lost + half)
