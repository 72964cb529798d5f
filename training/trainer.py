"""The state of one run between epochs, and how an epoch goes.

Every random draw of epoch e comes from torch's generator seeded with (seed, e), so a run that was killed and resumed
follows the same curve as one that was not.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.augment import augment
from training.data import Split
from training.datasets import Origin
from training.distil import Teacher
from training.errors import TrainingError
from training.losses import NO_DIGIT, soft_cross_entropy, targets_of
from training.networks import build
from training.optimise import average_of, optimizer_of, schedule_of
from training.parallel import Team
from training.pool import Pool
from training.progress import Progress
from training.recipe import Recipe
from training.runs import Epoch

EVALUATION_BATCH = 500
# Reading a tensor waits for the device, so the bar moves every so many steps.
REPORT_STEPS = 20


@dataclass(frozen=True)
class Data:
    """What a run may look at: never the test split.

    Attributes:
        train: what it learns from.
        validation: what it is measured on.
        origin: where they come from.
    """

    train: Split
    validation: Split
    origin: Origin = field(default_factory=Origin)


class Trainer:
    """Network, average, optimiser and schedule of one run."""

    def __init__(
        self,
        recipe: Recipe,
        data: Data,
        *,
        seed: int,
        device: torch.device,
        team: Team = Team(),
        models: Path = Path("models"),
    ) -> None:
        """A fresh run.

        Args:
            recipe: the hyperparameters.
            data: training and validation splits.
            seed: of everything random.
            device: where to compute.
            team: the processes that share the work.
            models: where the recipe's teacher is.

        Raises:
            TrainingError: unknown network or teacher, a teacher of other classes, or a batch that the team cannot share evenly.
        """
        if recipe.batch_size % team.size:
            raise TrainingError(f"--batch-size {recipe.batch_size} cannot be shared evenly by {team.size} processes.")
        self.recipe, self.seed, self.device, self.team = recipe, seed, device, team
        self.pool = Pool(data.train, data.origin.labels, recipe, device)
        self.validation, self.classes = data.validation, len(data.origin.labels)
        self.steps = max(1, self.pool.an_epoch // recipe.batch_size)
        torch.manual_seed(seed)
        network = build(recipe.arch, self.classes, dropout=recipe.dropout).to(device).to(memory_format=torch.channels_last)
        self.network = network
        self.parameters = sum(weight.numel() for weight in network.parameters())
        self.average = average_of(network, recipe.ema_decay)
        self.optimizer = optimizer_of(network, recipe)
        self.schedule = schedule_of(self.optimizer, recipe, self.steps * recipe.epochs)
        self.teacher = _teacher(recipe, models, data.origin)
        self.best: dict[str, Any] = {}
        self.best_loss = float("inf")
        self._shared = team.share(network)

    def run_epoch(self, epoch: int, progress: Progress) -> Epoch:
        """Train one epoch and measure the averaged weights on validation."""
        started = time.perf_counter()
        loss, accuracy = self._train(epoch, progress)
        measured = self._measure() if self.team.leads else None
        validation_loss, validation_accuracy = self.team.hear(measured)
        if self.recipe.early_stopping and validation_loss < self.best_loss:
            self.best_loss, self.best = validation_loss, copy.deepcopy(self.average.state_dict())
        return Epoch(
            epoch=epoch + 1,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            seconds=round(time.perf_counter() - started, 2),
        )

    def _train(self, epoch: int, progress: Progress) -> tuple[float, float]:
        """One pass; the mean loss, and the accuracy on the augmented digits."""
        torch.manual_seed(self.seed * 1_000_003 + epoch + 1)
        self._shared.train()
        order = self.pool.order()
        if self.team.rank:  # the order is everyone's, what happens to a picture is not
            torch.manual_seed((self.seed * 1_000_003 + epoch + 1) * 1009 + self.team.rank)
        size = self.recipe.batch_size
        totals = torch.zeros(3, device=self.device)  # loss, right answers, digits
        for step in range(self.steps):
            own = order[step * size : (step + 1) * size][self.team.rank :: self.team.size].to(self.device)
            totals += self._step(self.pool.images[own], self.pool.labels[own])
            if step % REPORT_STEPS == REPORT_STEPS - 1 and self.team.leads:
                loss, accuracy = _means(totals, step + 1)
                progress.step(epoch, (step + 1) / self.steps, loss, accuracy)
        return _means(totals, self.steps)

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        inputs = augment(images.float() / 255, self.recipe).contiguous(memory_format=torch.channels_last)
        is_digit = labels != NO_DIGIT
        targets = targets_of(labels, self.classes, smoothing=self.recipe.label_smoothing)
        if self.teacher is not None:
            told = self.teacher.probabilities(inputs[is_digit])
            targets[is_digit] = torch.lerp(targets[is_digit], told, self.recipe.teacher_share)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            logits = self._shared(inputs)
        loss = soft_cross_entropy(logits, targets, torch.where(is_digit, 1.0, self.recipe.nondigit_weight))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        answers = logits.detach().reshape(len(labels), self.classes, -1).mean(dim=2).argmax(dim=1)
        return torch.stack([loss.detach(), (answers == labels).sum(), is_digit.sum()])

    def _measure(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on validation."""
        logits = predict(self.average, self.validation, self.device)
        truth = torch.from_numpy(self.validation.labels)
        return float(F.cross_entropy(logits, truth)), float((logits.argmax(dim=1) == truth).float().mean())

    def state(self, epochs_done: int) -> dict[str, Any]:
        """All that the next epoch depends on, and ``exported``: the weights that the run would export now."""
        return {
            "epochs_done": epochs_done,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best_loss": self.best_loss,
            "exported": self.best or self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> int:
        """Take up a state; returns how many epochs it has behind it."""
        for part in ("network", "average", "optimizer", "schedule"):
            getattr(self, part).load_state_dict(state[part])
        self.best_loss = state["best_loss"]
        self.best = state["exported"] if self.recipe.early_stopping else {}
        return int(state["epochs_done"])


def stalled(history: list[Epoch], patience: int) -> bool:
    """Whether the last ``patience`` epochs brought no better validation loss; never with a patience of 0."""
    losses = [row.validation_loss for row in history]
    return 0 < patience < len(losses) and min(losses[-patience:]) >= min(losses[:-patience])


def predict(network: nn.Module, split: Split, device: torch.device) -> Tensor:
    """Logits float32 (N, C) on the CPU for a split, in evaluation mode and full precision."""
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(split.images).unsqueeze(1), EVALUATION_BATCH)
        logits = torch.cat([network(batch.to(device).float() / 255).cpu() for batch in batches])
    network.train(was_training)
    return logits


def _teacher(recipe: Recipe, models: Path, origin: Origin) -> Teacher | None:
    if not recipe.teacher:
        return None
    return Teacher(models / recipe.teacher, labels=origin.labels, temperature=recipe.teacher_temperature)


def _means(totals: Tensor, steps: int) -> tuple[float, float]:
    loss, right, digits = totals.tolist()
    return loss / steps, right / max(digits, 1)
