"""Temperature scaling (Guo et al. 2017), what goes beyond it, and the measure of calibration.

One number divides the logits so that probabilities mean what they say; it is chosen on validation and changes no ranking.
Label smoothing pulls the best logit back to one distance from the others, whatever the picture: there margins count by a power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from app.digits.manifest import Margins

ECE_BINS = 15
TEMPERATURE_RANGE = (0.05, 10.0)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature that gives validation logits (N, C) the least negative log-likelihood."""

    def cost(log_temperature: float) -> float:
        return nll(log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1), labels)

    low, high = np.log(TEMPERATURE_RANGE)
    return float(np.exp(minimize_scalar(cost, bounds=(low, high), method="bounded").x))


def fit_margins(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Margins | None:
    """Unit and power of the margins that give validation logits (N, C) the least negative log-likelihood.

    Returns:
        None where that is no better than a temperature by what a second number costs (Schwarz 1978: half the logarithm of N).
    """
    margins = logits.max(axis=1, keepdims=True).astype(np.float64) - logits

    def cost(logarithms: NDArray[np.float64]) -> float:
        unit, power = np.exp(logarithms)
        return nll(log_softmax(-((margins / unit) ** power), axis=1), labels)

    temperature = np.log(fit_temperature(logits, labels))
    found = minimize(cost, (temperature, 0.0), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-10})
    gain = len(labels) * (cost(np.array([temperature, 0.0])) - found.fun)
    if gain < np.log(len(labels)) / 2:
        return None
    unit, power = np.exp(found.x).tolist()
    return Margins(unit=unit, power=power)


def nll(log_probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood, in nats, of log-probabilities (N, C)."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def expected_calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Top-label ECE over 15 equal-mass bins (Nguyen and O'Connor 2015), 0–1.

    Args:
        probabilities: (N, C).
        labels: (N,) true positions.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(correct[part].mean() - confidence[part].mean()) * len(part) for part in np.array_split(order, ECE_BINS) if len(part)
    ]
    return float(sum(gaps) / len(labels))


def expected_ece_if_calibrated(probabilities: NDArray[np.floating], *, rounds: int = 200) -> float:
    """What the ECE would show on as many pictures if each probability were exactly true: its floor by chance alone.

    Args:
        probabilities: (N, C).
        rounds: draws of made-up outcomes, seed 0.
    """
    random = np.random.default_rng(0)
    confidence = probabilities.max(axis=1)
    top = probabilities.argmax(axis=1)
    draws = []
    for _ in range(rounds):
        right = random.random(len(top)) < confidence
        draws.append(expected_calibration_error(probabilities, np.where(right, top, -1)))
    return float(np.mean(draws))


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share (95 % by default), 0–1."""
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return float(max(0.0, (centre - half) / scale)), float(min(1.0, (centre + half) / scale))
