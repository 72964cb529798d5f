"""The training loop: AdamW under OneCycle, label smoothing, batched augmentation, an average of the weights over steps.

Every random draw of epoch e comes from torch's generator seeded with (seed, e), so a run that was killed and resumed
follows the same curve as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from training.augment import augment
from training.data import LABELS, Split, drawn_split, fingerprint
from training.errors import TrainingError
from training.networks import build
from training.recipe import Recipe
from training.runs import Epoch, RunFolder, RunRecord, git_commit, now, provenance

EVALUATION_BATCH = 500
DRAWN = 6000  # how many different drawn digits there are to choose from


class Progress(Protocol):
    """Who is told how the run goes: the terminal's bar, or nobody."""

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None: ...

    def epoch(self, row: Epoch) -> None: ...


class Silent:
    """Tells nobody."""

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        pass

    def epoch(self, row: Epoch) -> None:
        pass


@dataclass(frozen=True)
class Data:
    """What a run may look at: never the test split."""

    train: Split
    validation: Split


def train(
    recipe: Recipe,
    data: Data,
    folder: RunFolder,
    *,
    name: str,
    seed: int,
    device: torch.device,
    resume: bool = False,
    subset: int | None = None,
    progress: Progress = Silent(),
) -> RunRecord:
    """Train one network; leaves ``checkpoint.pt``, ``run.json`` and ``history.csv`` in the folder after each epoch.

    Args:
        recipe: the hyperparameters.
        data: training and validation splits.
        folder: where the run lives.
        name: the model's name.
        seed: of everything random.
        device: where to compute.
        resume: go on from the folder's checkpoint if it has one.
        subset: for the record, how many training pictures were kept; None for all.
        progress: who is told.

    Raises:
        TrainingError: unknown network, a folder with another run in it, or a disk that takes no checkpoint.
    """
    trainer = Trainer(recipe, data, seed=seed, device=device)
    record = RunRecord(
        name=name,
        recipe=recipe,
        seed=seed,
        git_commit=git_commit(),
        data_sha256=fingerprint(data.train),
        created_at=now(),
        versions=provenance(),
        device=str(device),
        parameters=sum(weight.numel() for weight in trainer.network.parameters()),
        subset=subset,
    )
    if folder.has_checkpoint():
        record = _resumed(trainer, record, folder, resume=resume)
    for epoch in range(len(record.history), recipe.epochs):
        row = trainer.run_epoch(epoch, progress)
        record = record.model_copy(update={"history": [*record.history, row]})
        # The record first: a checkpoint without its history row could not be resumed, the other way round is redone.
        folder.save_record(record)
        folder.save_checkpoint(trainer.state(epoch + 1))
        progress.epoch(row)
    return record


def _resumed(trainer: Trainer, fresh: RunRecord, folder: RunFolder, *, resume: bool) -> RunRecord:
    if not resume:
        raise TrainingError(f"{folder.path} holds a run already; add --resume to go on with it, or choose another --save-dir.")
    record = folder.load_record()
    if (record.recipe, record.seed, record.data_sha256) != (fresh.recipe, fresh.seed, fresh.data_sha256):
        raise TrainingError(f"The run in {folder.path} has another recipe, seed or data; choose another --save-dir.")
    done = trainer.restore(folder.load_checkpoint())
    return record.model_copy(update={"history": record.history[:done]})


class Trainer:
    """The state of one run between epochs."""

    def __init__(self, recipe: Recipe, data: Data, *, seed: int, device: torch.device) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        self.real = len(data.train)
        drawn = drawn_split(min(DRAWN, self.real)) if recipe.drawn_share else data.train.first(0)
        images = np.concatenate([data.train.images, drawn.images])  # the real ones first, then the drawn
        self.images = torch.from_numpy(images).unsqueeze(1).to(device)  # uint8 (N, 1, 28, 28)
        self.labels = torch.from_numpy(np.concatenate([data.train.labels, drawn.labels])).to(device)
        self.validation = data.validation
        self.drawn_an_epoch = round(recipe.drawn_share * self.real)
        self.steps = max(1, (self.real + self.drawn_an_epoch) // recipe.batch_size)
        torch.manual_seed(seed)
        self.network = build(recipe.arch, len(LABELS)).to(device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, avg_fn=_moving_average(recipe.ema_decay), use_buffers=True)
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.network, recipe.weight_decay), lr=recipe.learning_rate)
        # OneCycleLR divides by the length of its warm-up less one step, so a toy run gets a schedule longer than itself.
        total_steps = max(self.steps * recipe.epochs, 10)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.learning_rate, total_steps=total_steps, pct_start=0.2
        )

    def run_epoch(self, epoch: int, progress: Progress) -> Epoch:
        """Train one epoch and measure the averaged weights on validation."""
        started = time.perf_counter()
        torch.manual_seed(self.seed * 1_000_003 + epoch + 1)
        self.network.train()
        order = self._order().to(self.device)
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        for step in range(self.steps):
            chosen = order[step * self.recipe.batch_size : (step + 1) * self.recipe.batch_size]
            loss, hits = self._step(self.images[chosen], self.labels[chosen])
            loss_sum += loss
            correct += hits
            if step % 20 == 19:  # reading a tensor waits for the device
                seen = (step + 1) * self.recipe.batch_size
                progress.step(epoch, (step + 1) / self.steps, float(loss_sum) / (step + 1), float(correct) / seen)
        logits = predict(self.average, self.validation, self.device)
        truth = torch.from_numpy(self.validation.labels)
        return Epoch(
            epoch=epoch + 1,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train_loss=float(loss_sum) / self.steps,
            train_accuracy=float(correct) / (self.steps * min(self.recipe.batch_size, len(order))),
            validation_loss=float(F.cross_entropy(logits, truth)),
            validation_accuracy=float((logits.argmax(dim=1) == truth).float().mean()),
            seconds=round(time.perf_counter() - started, 2),
        )

    def _order(self) -> Tensor:
        """Every real picture once and the drawn ones' share, mixed."""
        drawn = torch.randint(self.real, max(len(self.labels), self.real + 1), (self.drawn_an_epoch,))
        order = torch.cat([torch.arange(self.real), drawn])
        return order[torch.randperm(len(order))]

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        inputs = augment(images.float() / 255, self.recipe).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            logits = self.network(inputs)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum()

    def state(self, epochs_done: int) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "epochs_done": epochs_done,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> int:
        """Take up a state; returns how many epochs it has behind it."""
        for part in ("network", "average", "optimizer", "schedule"):
            getattr(self, part).load_state_dict(state[part])
        return int(state["epochs_done"])


def predict(network: nn.Module, split: Split, device: torch.device) -> Tensor:
    """Logits float32 (N, C) on the CPU for a split, in evaluation mode and full precision."""
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(split.images).unsqueeze(1), EVALUATION_BATCH)
        logits = torch.cat([network(batch.to(device).float() / 255).cpu() for batch in batches])
    network.train(was_training)
    return logits


def trained_network(record: RunRecord, folder: RunFolder) -> nn.Module:
    """The run's averaged network on the CPU, in evaluation mode."""
    average = AveragedModel(build(record.recipe.arch, len(LABELS)), use_buffers=True)
    average.load_state_dict(folder.load_checkpoint()["average"])
    network: nn.Module = average.module
    return network.eval()


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """An exponential average that forgets faster at first, so that the random start does not linger in it."""

    def update(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        keep = min(decay, (1 + int(steps)) / (10 + int(steps)))
        return averaged * keep + current * (1 - keep)

    return update


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and batch norm's scales do not."""
    decaying = [weight for weight in network.parameters() if weight.ndim > 1]
    free = [weight for weight in network.parameters() if weight.ndim <= 1]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
