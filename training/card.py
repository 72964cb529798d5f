"""The model card: what ``manifest.json`` and ``run.json`` say, for people."""

from __future__ import annotations

from collections.abc import Sequence

from app.digits.manifest import Abstention, Metrics, ModelManifest, Rejection, Robustness
from training.runs import RunRecord

CARD = """\
# {name}, version {version}

{purpose} Made by the project's own `training/` module; the server checks the
SHA-256 of `model.onnx` (`{sha}…`) and its golden answers before it serves it.

## How good it is

This file ({chosen}), measured through `app.digits.DigitClassifier` from PNG bytes:

| split | pictures | accuracy | 95 % interval | NLL | ECE |
|---|---|---|---|---|---|
{rows}

{seeds}

Accuracy is the share of pictures whose most probable label is the true one. The interval is Wilson's. ECE is the top-label
expected calibration error over 15 equal-mass bins; a perfectly calibrated model of this accuracy would show about
{floor:.2%} on the test split by chance alone. The test split decided nothing: recipe, temperature and seed were chosen on
validation.

{robustness}Measure it again: `python -m training evaluate models/{name} --split test`

## What it costs

| parameters | multiply-adds a picture | `model.onnx` |
|---|---|---|
| {parameters:,} | {macs:,} | {bytes:,} bytes |

## How it was made

- Data: {data}; {train:,} pictures to learn from (SHA-256 `{data_sha}…`) and {validation:,} to validate on, divided by class
  with seed 0.
- Network `{arch}`, {epochs} epochs, batch size {batch_size}{teacher}; every hyperparameter is in `run.json`, the curves in
  `history.csv`.
- Commit `{commit}`, torch {torch}, on {device}.
- {calibration}, fitted on validation, inside the graph. Over {parity_n} pictures torch and ONNX Runtime
  differ by at most {parity:.1e} in any logit.
- Make it again: `{command}`

## Where it fails

{limits}

{abstention}
The drift gauges compare traffic with the validation pictures{drift}

Licence: {licence}.
"""

DIGITS = "Reads one handwritten digit from a 28×28 grey picture."
MNIST = "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges)"
DIGIT_LIMITS = """\
It knows MNIST's digits: one digit in the picture, Western forms. Pictures are framed by `{preprocessing}` version
{version} first, which finds ink of either polarity on uneven light and passes over specks and the edges of a
sheet; ruled lines that cross the digit mislead it."""
OTHER_LIMITS = """\
It knows the pictures that it was made from. What is sent is framed by `{preprocessing}` version {version}, as they were;
pictures that were taken in another way may mislead it."""
MNIST_DRIFT = """\
, which framing passes unchanged (`native`). A service for
photographs thus shows a large `framing` drift from its first day: it says that the numbers above were measured on other
pictures than these; watch its change, and the other four gauges."""
QUANTIZED = """\
This file was made from {source} by quantising it to eight-bit integers: it was measured faster, and within 0.05 points on
validation. How the recipe spreads over seeds is on that model's card."""

ABSTENTION = """\
It abstains where the probability of its best label is under {threshold:.4f}, which 99 % of the validation pictures reach: it
declines {declined:.2%} of those {validation:,}. Where several digits stand apart in a picture it abstains in any case.
"""
ROBUSTNESS = """\
Under {kinds} corruptions at five strengths, of {n:,} test pictures each, it reads **{mean:.1%}** ({low:.1%} – {high:.1%};
`python -m training card` measures this again):

| corruption | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
{rows}

![Confusion matrix](figures/confusion-matrix.svg) ![Reliability diagram](figures/reliability.svg)

"""
HANDS = """\
Pictures of other hands, pens and cameras, on which its framing was developed (they are not ours to ship):

| set | pictures | accuracy | 95 % interval |
|---|---|---|---|
{rows}

"""
UNKNOWN = """\
Of pictures that show no digit, so much is turned away where 1 % of validation is (probability under {threshold:.4f};
{false:.2%} of the {digits:,} test pictures):

| set | pictures | AUROC | turned away | 95 % interval |
|---|---|---|---|---|
{rows}

"""
REJECTION = """\
Of made-up pictures that are no digit (`training/nondigits.py`) it declines:

| kind | declined |
|---|---|
"""


def render(manifest: ModelManifest, record: RunRecord, seeds: Sequence[int], ece_floor: float) -> str:
    """The card's Markdown.

    Args:
        manifest: of the shipped folder, with metrics.
        record: of the run that made it.
        seeds: of all runs of the recipe.
        ece_floor: test ECE of a perfectly calibrated model of this accuracy (see ``calibrate``).
    """
    framing = {"preprocessing": manifest.preprocessing.name, "version": manifest.preprocessing.version}
    return CARD.format(
        name=manifest.name,
        purpose=_purpose(manifest, record),
        data=MNIST if record.data.is_mnist else f"`{record.data.name}`",
        train=manifest.metrics["train"].n,
        validation=manifest.metrics["validation"].n,
        limits=(DIGIT_LIMITS if record.data.is_mnist else OTHER_LIMITS).format(**framing),
        drift=MNIST_DRIFT if record.data.is_mnist else ".",
        version=manifest.version,
        sha=manifest.sha256[:12],
        chosen=_chosen(record),
        rows="\n".join(_row(split, metrics) for split, metrics in manifest.metrics.items()),
        seeds=_seeds(manifest, record),
        floor=ece_floor,
        parameters=manifest.cost.parameters,
        macs=manifest.cost.macs,
        bytes=manifest.cost.bytes,
        data_sha=record.data_sha256[:12],
        arch=record.recipe.arch,
        epochs=record.recipe.epochs,
        batch_size=record.recipe.batch_size,
        teacher=_teacher(record),
        commit=record.git_commit,
        torch=record.versions["torch"],
        device=record.device,
        calibration=_calibration(manifest),
        parity=manifest.parity.max_abs_logit_diff,
        parity_n=manifest.parity.n,
        command=_command(manifest, record, seeds),
        licence=manifest.licence,
        robustness=_robustness(manifest.robustness),
        abstention=_abstention(manifest.abstention, manifest.metrics["validation"].n),
    )


def _row(split: str, metrics: Metrics) -> str:
    low, high = metrics.interval
    accuracy = f"{metrics.accuracy:.2%} | {low:.2%} – {high:.2%}"
    return f"| {split} | {metrics.n:,} | {accuracy} | {metrics.nll:.4f} | {metrics.ece:.2%} |"


def _robustness(measured: Robustness | None) -> str:
    if measured is None:
        return ""
    rows = "\n".join(
        f"| {kind} | {' | '.join(f'{share:.1%}' for share in shares)} |" for kind, shares in measured.corruptions.items()
    )
    low, high = measured.interval
    text = ROBUSTNESS.format(kinds=len(measured.corruptions), n=measured.n, mean=measured.mean, low=low, high=high, rows=rows)
    return text + _hands(measured) + (_unknown(measured.rejection) if measured.rejection else "")


def _hands(measured: Robustness) -> str:
    if not measured.sets:
        return ""
    rows = (
        f"| {name} | {one.n:,} | {one.accuracy:.1%} | {one.interval[0]:.1%} – {one.interval[1]:.1%} |"
        for name, one in measured.sets.items()
    )
    return HANDS.format(rows="\n".join(rows))


def _unknown(measured: Rejection) -> str:
    rows = (
        f"| {name} | {one.n:,} | {one.auroc:.4f} | {one.rejected:.1%} | {one.interval[0]:.1%} – {one.interval[1]:.1%} |"
        for name, one in measured.sets.items()
    )
    return UNKNOWN.format(
        threshold=measured.threshold, false=measured.false_rejection, digits=measured.digits, rows="\n".join(rows)
    )


def _abstention(rule: Abstention | None, validation: int) -> str:
    if rule is None:
        return "It does not abstain: a letter or a chicken gets a label too, often with a high probability.\n"
    text = ABSTENTION.format(threshold=rule.thresholds.probability, declined=rule.validation, validation=validation)
    rows = "\n".join(f"| {kind} | {share:.1%} |" for kind, share in rule.nondigits.items())
    return f"{text}\n{REJECTION}{rows}\n" if rows else text


def _purpose(manifest: ModelManifest, record: RunRecord) -> str:
    if record.data.is_digits:
        return DIGITS
    return f"Tells {len(manifest.labels)} classes apart in a 28×28 grey picture: {', '.join(manifest.labels)}."


def _calibration(manifest: ModelManifest) -> str:
    if manifest.margins is None:
        return f"Temperature {manifest.temperature:.4f}"
    unit, power = manifest.margins.unit, manifest.margins.power
    return f"Probabilities are the softmax of -(margin under the best logit / {unit:.4f})^{power:.4f}"


def _command(manifest: ModelManifest, record: RunRecord, seeds: Sequence[int]) -> str:
    if record.quantized_from:
        return f"python -m training quantize models/{manifest.source.recipe}"
    if record.voters:
        return f'make train teacher SEEDS="{" ".join(map(str, record.voters))}"'
    if record.data.is_mnist:
        return f'make train MODEL={manifest.name} SEEDS="{" ".join(map(str, seeds))}"'
    flags = f"--arch {record.recipe.arch} --data {record.data.name} --name {manifest.name} --seed {record.seed}"
    return f"python -m training train {flags}"


def _chosen(record: RunRecord) -> str:
    if record.voters:
        return f"the vote of seeds {', '.join(map(str, record.voters))}, each trained alone"
    return f"seed {record.seed}, the best of its recipe by validation"


def _teacher(record: RunRecord) -> str:
    if record.teacher_sha256 is None:
        return ""
    return f", taught by `models/{record.recipe.teacher}` (`{record.teacher_sha256[:12]}…`)"


def _seeds(manifest: ModelManifest, record: RunRecord) -> str:
    if record.quantized_from:
        return QUANTIZED.format(source=record.quantized_from)
    if record.voters:
        return "What its members do alone is in `training/LOG.md`; the spread of such votes is not known."
    if manifest.seeds is None:
        return "The recipe was run with one seed; its spread is not known."
    seeds = manifest.seeds
    return (
        f"The recipe over {seeds.n} seeds: **{seeds.mean:.2%} ± {seeds.std:.2%}** on the test split "
        "(mean and standard deviation; `seeds/*.json` are the runs)."
    )
