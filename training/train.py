"""A run from its first epoch, or from where it was killed, to its last."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from training.data import fingerprint
from training.errors import TrainingError
from training.networks import build
from training.optimise import average_of
from training.parallel import Team
from training.progress import Progress, Silent
from training.recipe import Recipe
from training.runs import RunFolder, RunRecord, git_commit, now, provenance
from training.trainer import Data, Trainer, stalled


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
    models: Path = Path("models"),
    team: Team = Team(),
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
        models: where the recipe's teacher is.
        team: the processes that share the work.
        progress: who is told.

    Raises:
        TrainingError: unknown network or teacher, a folder with another run in it, or a disk that takes no checkpoint.
    """
    if folder.has_checkpoint() and not resume:
        raise TrainingError(f"{folder.path} holds a run already; add --resume to go on with it, or choose another --save-dir.")
    trainer = Trainer(recipe, data, seed=seed, device=device, team=team, models=models)
    record = RunRecord(
        name=name,
        recipe=recipe,
        seed=seed,
        git_commit=git_commit(),
        data=data.origin,
        data_sha256=fingerprint(data.train),
        teacher_sha256=trainer.teacher.sha256 if trainer.teacher else None,
        created_at=now(),
        versions=provenance(),
        device=str(device),
        processes=team.size,
        parameters=trainer.parameters,
        subset=subset,
    )
    if folder.has_checkpoint():
        record = _resumed(trainer, record, folder)
    while len(record.history) < recipe.epochs and not stalled(record.history, recipe.early_stopping):
        row = trainer.run_epoch(len(record.history), progress)
        record = record.model_copy(update={"history": [*record.history, row]})
        if team.leads:
            # The record first: a checkpoint without its history row could not be resumed, the other way round is redone.
            folder.save_record(record)
            folder.save_checkpoint(trainer.state(len(record.history)))
            progress.epoch(row)
    return record


def _resumed(trainer: Trainer, fresh: RunRecord, folder: RunFolder) -> RunRecord:
    record = folder.load_record()
    same = ("recipe", "seed", "data_sha256", "teacher_sha256")
    if any(getattr(record, field) != getattr(fresh, field) for field in same):
        raise TrainingError(f"The run in {folder.path} has another recipe, seed, data or teacher; choose another --save-dir.")
    done = trainer.restore(folder.load_checkpoint())
    return record.model_copy(update={"history": record.history[:done]})


def trained_network(record: RunRecord, folder: RunFolder) -> nn.Module:
    """The run's averaged network on the CPU, in evaluation mode."""
    average = average_of(build(record.recipe.arch, len(record.data.labels), dropout=record.recipe.dropout), decay=0)
    average.load_state_dict(folder.load_checkpoint()["exported"])
    network: nn.Module = average.module
    return network.eval()
