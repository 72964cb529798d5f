"""A shipped model that teaches another one (Hinton, Vinyals and Dean 2015).

The student's targets are partly the teacher's probabilities for the very picture, as augmented, that the student sees.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from app.digits import manifest as manifests
from app.digits.session import OrtSession
from training.errors import TrainingError


class Teacher:
    """Answers pictures with probabilities.

    Attributes:
        sha256: of its graph.
    """

    def __init__(self, folder: Path, *, labels: tuple[str, ...], temperature: float) -> None:
        """Load a model folder.

        Args:
            folder: the model's.
            labels: what the student is to tell apart.
            temperature: what the teacher's logits are divided by.

        Raises:
            TrainingError: there is no such model, or it knows other classes.
        """
        if not (folder / manifests.MANIFEST_FILE).is_file():
            raise TrainingError(f"There is no model {folder} to teach; ship it first, or choose another --teacher.")
        manifest = manifests.read(folder)
        manifests.verify(folder, manifest)
        if manifest.labels != labels:
            raise TrainingError(f"The teacher {folder.name!r} knows other classes than this data has.")
        self.sha256 = manifest.sha256
        self._session = OrtSession(folder / manifests.MODEL_FILE, provider="auto", intra_op_threads=torch.get_num_threads())
        self._temperature = temperature

    def probabilities(self, images: Tensor) -> Tensor:
        """Float (N, 1, 28, 28) pictures in 0–1 → float (N, C) probabilities, on the same device."""
        grey = (images * 255).round().to(torch.uint8).cpu().numpy()
        logits = torch.from_numpy(self._session.run(grey).logits)
        return torch.softmax(logits / self._temperature, dim=1).to(images.device)
