"""Fits the weights by which reading tells one digit from two that touch: ``WEIGHTS`` of ``app.digits.splits``.

    python -m training.cuts models/cnn

Pieces of made-up pages are looked at as reading does, whole and cut in every way. The weights are those under which the truth
is likeliest among all labels of the whole piece and all pairs of labels of its halves. Spaced digits, touching pairs and lone
digits count alike, however many pieces they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from app.digits.classifier import DigitClassifier
from app.digits.errors import PictureError
from app.digits.preprocessing import INK_FRAMES
from app.digits.reader import FEW, LEAST_WIDTH
from app.digits.segmentation import Page as Found
from app.digits.segmentation import Piece, find_lines
from app.digits.splits import CLEAR, WEIGHTS, Scale, Weights, cuts_of, log_odds, shapes_of
from training.data import LABELS, Split, load_split
from training.pages import SPACED, TOUCHING_PAIR, Box, Layout, Page, made_up_page

Reals = NDArray[np.float64]

LAYOUTS: Final = (SPACED, TOUCHING_PAIR, Layout(digits=(1, 1)))
# Steps of L-BFGS, and what keeps a weight that the pieces say nothing of near the one that it begins with.
STEPS: Final = 60
RIDGE: Final = 0.002


@dataclass(frozen=True, slots=True)
class Sample:
    """A piece whose digits are known.

    Attributes:
        whole: (3, C), what speaks against each label (``Scale.against``).
        left, right: (cuts, 3, C), the same of the halves.
        crossed: (cuts,) strokes that each cut crosses but the first.
        piece: (3,) what speaks for cutting it: -1, less the share of clear pieces, the logarithm of its width.
        truth: one digit, or two as tens and units after ten single ones: 0–9, 10–109.
    """

    whole: Reals
    left: Reals
    right: Reals
    crossed: Reals
    piece: Reals
    truth: int


def samples_of(page: Page, classifier: DigitClassifier) -> Iterator[Sample]:
    """The pieces of a page that may be cut, of one or two digits."""
    try:
        found = find_lines(page.image)
    except PictureError:
        return
    scale = Scale(found.digit_height, shapes_of(classifier.manifest.labels))
    pieces = [piece for line in found.lines for piece in line]
    wholes = _against(found, pieces, classifier, scale)
    if len(pieces) >= FEW:
        evidence = -np.einsum("w,nwc->nc", WEIGHTS[:3], wholes).min(axis=1)
        scale = replace(scale, clear=float((evidence > CLEAR).mean()))
    digits = [
        (box, digit) for line, boxes in zip(page.lines, page.boxes, strict=True) for digit, box in zip(line, boxes, strict=True)
    ]
    for piece, whole in zip(pieces, wholes, strict=True):
        truth = "".join(digit for box, digit in digits if _is_in(box, piece))
        cuts = cuts_of(piece, scale) if piece.width > LEAST_WIDTH * scale.height and len(truth) in (1, 2) else []
        if cuts:
            left, right = (
                _against(found, half, classifier, scale) for half in ([c.left for c in cuts], [c.right for c in cuts])
            )
            of_piece = np.array([-1.0, -scale.clear, scale.log_width(piece)])
            crossed = np.array([cut.crossed for cut in cuts], np.float64)
            yield Sample(whole, left, right, crossed, of_piece, int(truth) + 10 * (len(truth) - 1))


def _against(page: Found, pieces: Sequence[Piece], classifier: DigitClassifier, scale: Scale) -> Reals:
    """``Scale.against`` of each piece (N, 3, C)."""
    frame = INK_FRAMES[classifier.manifest.preprocessing.name, classifier.manifest.preprocessing.version]
    images = np.stack([frame(*page.ink_of(piece))[0] for piece in pieces])[:, None]
    odds = log_odds(classifier.infer(images).probabilities)
    return np.stack([scale.against(row, piece) for row, piece in zip(odds, pieces, strict=True)])


def _is_in(box: Box, piece: Piece) -> bool:
    x, y, width, height = box
    across = min(x + width, piece.x + piece.width) - max(x, piece.x)
    down = min(y + height, piece.y + piece.height) - max(y, piece.y)
    return across > width / 2 and down > height / 2


def loss_of(weights: Tensor, samples: Sequence[Sample]) -> Tensor:
    """Mean negative log-likelihood of what the pieces are; the weights (7,) in the order of ``Weights``."""
    return torch.stack([_loss(weights, sample) for sample in samples]).mean()


def _loss(weights: Tensor, sample: Sample) -> Tensor:
    whole, left, right = (
        -torch.tensordot(weights[:3], torch.from_numpy(each), ([0], [each.ndim - 2]))
        for each in (sample.whole, sample.left, sample.right)
    )
    left = left - weights[3] * torch.from_numpy(sample.crossed)[:, None]
    pairs = torch.logsumexp(left[:, :, None] + right[:, None, :], dim=0) + weights[4:] @ torch.from_numpy(sample.piece)
    scores = torch.cat([whole, pairs.flatten()])
    return torch.logsumexp(scores, dim=0) - scores[sample.truth]


def fit(groups: Sequence[Sequence[Sample]], start: Weights = WEIGHTS) -> Weights:
    """The weights under which the samples are likeliest; groups count alike."""
    first = torch.tensor(start, dtype=torch.float64)
    weights = first.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = (
            torch.stack([loss_of(weights, group) for group in groups if group]).sum() + RIDGE * ((weights - first) ** 2).sum()
        )
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return Weights(*(round(weight, 2) for weight in weights.tolist()))


def groups_of(split: Split, classifier: DigitClassifier, pages: int, seed: int) -> list[list[Sample]]:
    """Samples of so many pages of each layout."""
    labels = [int(LABELS[label]) for label in split.labels]
    return [
        [
            sample
            for page in range(pages)
            for sample in samples_of(made_up_page(split.images, labels, seed + page, layout), classifier)
        ]
        for layout in LAYOUTS
    ]


def main(
    model: Annotated[Path, typer.Argument(help="The model's folder.")] = Path("models/cnn"),
    pages: Annotated[int, typer.Option(min=1, help="Pages of each kind.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the first page; the next one's is one more.")] = 20_000,
) -> None:
    """Print the weights for a model, fitted to pages of MNIST's training digits."""
    classifier = DigitClassifier.load(model, provider="cpu", intra_op_threads=1)
    print(fit(groups_of(load_split("train"), classifier, pages, seed)))


if __name__ == "__main__":
    typer.run(main)
