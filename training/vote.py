"""Finished runs of one network → one run of the ensemble that they are the members of, without more training."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from training.errors import TrainingError
from training.networks.cnn import VOTERS
from training.networks.ensemble import Ensemble
from training.optimise import average_of
from training.runs import Epoch, RunFolder, RunRecord, check_differ_by_seed, now
from training.train import trained_network

MEMBER, ENSEMBLE = "cnn", "cnn-teacher"


def vote(runs: Sequence[RunFolder], folder: RunFolder) -> RunRecord:
    """Join runs that differ by their seed; the ensemble's run can be calibrated, exported and shipped as any other.

    Its history is the mean of its members'.

    Args:
        runs: finished runs of ``cnn``, as many as the ensemble has members.
        folder: where the ensemble's run is to live.

    Raises:
        TrainingError: too few or too many runs, runs of another network, that differ by more than their seed or are not
            finished, or a folder with another run in it.
    """
    records = [run.load_record() for run in runs]
    _check(records, folder)
    first = records[0]
    members = [trained_network(record, run) for record, run in zip(records, runs, strict=True)]
    # Early stopping may have ended one sooner than another.
    history = [_mean(rows) for rows in zip(*(record.history for record in records), strict=False)]
    state = {"epochs_done": len(history), "exported": average_of(Ensemble(members), decay=0).state_dict()}
    joined = first.model_copy(
        update={
            "name": ENSEMBLE,
            "recipe": first.recipe.model_copy(update={"arch": ENSEMBLE}),
            "voters": tuple(record.seed for record in records),
            "created_at": now(),
            "parameters": sum(record.parameters for record in records),
            "history": history,
            # What follows was of one member.
            "temperature": None,
            "margins": None,
            "parity": None,
            "metrics": {},
        }
    )
    folder.save_record(joined)
    folder.save_checkpoint(state)
    return joined


def _mean(rows: Sequence[Epoch]) -> Epoch:
    return Epoch.model_validate({name: statistics.fmean(getattr(row, name) for row in rows) for name in Epoch.model_fields})


def _check(records: Sequence[RunRecord], folder: RunFolder) -> None:
    if folder.has_checkpoint():
        raise TrainingError(f"{folder.path} holds a run already; choose another --save-dir.")
    if len(records) != VOTERS:
        raise TrainingError(f"{ENSEMBLE} has {VOTERS} members; these are {len(records)} runs.")
    for record in records:
        if record.recipe.arch != MEMBER:
            raise TrainingError(f"{ENSEMBLE} joins runs of {MEMBER}; one of these is of {record.recipe.arch}.")
        if len(record.history) < record.recipe.epochs and not record.recipe.early_stopping:
            raise TrainingError(f"The run of seed {record.seed} has {len(record.history)} of {record.recipe.epochs} epochs.")
    check_differ_by_seed(records)
