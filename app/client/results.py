"""What a caller gets for each picture, made of the service's answers."""

from __future__ import annotations

from typing import Final

from app.api.schemas import ModelIdentity, PictureAnswer, PictureProblem, PredictAnswer, Problem
from app.client.errors import ProblemError, UnexpectedAnswer
from app.client.pictures import Batch

# A lone picture's problem is the answer's own, with its status; these are about the picture, all others about the request.
PICTURE_PROBLEMS: Final = frozenset(
    {
        "empty-file",
        "file-too-large",
        "too-many-pixels",
        "unsupported-format",
        "broken-picture",
        "broken-csv",
        "blank",
        "too-many-digits",
        "body-too-large",  # alone in its body, a picture is what makes it too large
    }
)


class Reading(PictureAnswer):
    """A picture that was read; ``index`` counts through all pictures of the call."""

    model: ModelIdentity
    request_id: str


class Refusal(PictureProblem):
    """A picture that could not be read; ``index`` counts through all pictures of the call."""

    request_id: str | None


Result = Reading | Refusal


def of_answer(answer: PredictAnswer, batch: Batch) -> list[Result]:
    """One result for each file of the batch, in order.

    Raises:
        UnexpectedAnswer: the answer has more or fewer.
    """
    if len(answer.predictions) != len(batch.files):
        raise UnexpectedAnswer(f"The service answered {len(answer.predictions)} results to {len(batch.files)} pictures.")
    return [_result(prediction, answer, batch.start) for prediction in answer.predictions]


def of_problem(error: ProblemError, batch: Batch) -> list[Result]:
    """A lone picture's problem as its result; any other is raised."""
    if len(batch.files) > 1 or error.slug not in PICTURE_PROBLEMS:
        raise error
    return [_refusal(batch.start, batch.files[0].filename, error.problem, error.request_id)]


def _result(prediction: PictureAnswer | PictureProblem, answer: PredictAnswer, start: int) -> Result:
    index = start + prediction.index
    if isinstance(prediction, PictureProblem):
        return _refusal(index, prediction.filename, prediction.problem, answer.request_id)
    # Validated already, and a hundred thousand of them should not be again.
    return Reading.model_construct(
        **(vars(prediction) | {"index": index, "model": answer.model, "request_id": answer.request_id})
    )


def _refusal(index: int, filename: str | None, problem: Problem, request_id: str | None) -> Refusal:
    return Refusal(index=index, filename=filename, status="error", problem=problem, request_id=request_id)
