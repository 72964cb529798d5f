"""When a model declines to answer, and why: the rule whose thresholds each model's manifest holds.

The score is the calibrated probability of the best label (Hendrycks and Gimpel 2017). Maximum logit, energy, distances of
logits and of features were compared with it (training/LOG.md): once a model has seen made-up non-digits in training, none of
them tells other things from digits better, and the probability is there already.
"""

from __future__ import annotations

from typing import Literal

from app.digits.manifest import Abstention

Reason = Literal["not_a_digit", "ambiguous", "several_digits"]


def reason_to_abstain(rule: Abstention | None, best: float, second: float, digits: int) -> Reason | None:
    """Why a model should not answer; None if it should.

    Args:
        rule: of the model's manifest; a model without one always answers.
        best: the greatest calibrated probability.
        second: the next one.
        digits: how many digits framing saw (``Frame.digits``).
    """
    if rule is None:
        return None
    if digits > 1:
        return "several_digits"
    if best >= rule.thresholds.probability:
        return None
    return "ambiguous" if best + second >= rule.thresholds.two_labels else "not_a_digit"
