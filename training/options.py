"""Makes every field of the recipe a flag, so the two cannot drift apart."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from training.errors import TrainingError
from training.recipes import DEFAULT


def recipe_options(recipe: BaseModel) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command whose first parameter takes the recipe's fields that were given on the command line, as a dict.

    Args:
        recipe: the one that help tells the values of.
    """
    fields = type(recipe).model_fields

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            changes = {name: value for name in fields if (value := values.pop(name)) is not None}
            try:
                command(changes, **values)
            except ValidationError as exc:
                first = exc.errors(include_url=False)[0]
                raise TrainingError(f"--{_flag(str(first['loc'][0]))}: {first['msg']}.") from exc

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [
            _parameter(name, field.annotation, field.description, getattr(recipe, name)) for name, field in fields.items()
        ]
        wrapper.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *parameters]}
        return wrapper

    return decorate


def _parameter(name: str, kind: Any, help_text: str | None, value: object) -> inspect.Parameter:
    option = typer.Option(help=f"{help_text} (recipe {DEFAULT}: {value})", show_default=False, rich_help_panel="Recipe")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _flag(field: str) -> str:
    return field.replace("_", "-")
