"""A training recipe as typed, frozen data. No paths and no machine facts live here; those come with the run."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator

from clickwise.errors import RecipeError
from clickwise.nearest import nearest
from clickwise.training.parts.base import Part
from clickwise.training.parts.data import AnyData
from clickwise.training.parts.items import AnyItems, ViewItems
from clickwise.training.parts.methods import AnyMethod


class ModelPart(Part):
    """architecture: registered name; params: overrides of its parameters.

    encoder_weights: public file that the encoder starts from. start_weights: name or file, as `load_model` takes them,
    of weights that the whole network starts from; encoder_weights then say nothing more. Paths count from the working
    folder or from the data root.
    frozen: prefixes of parameters left alone. checkpoint_activations: transformer blocks run again in the backward
    pass instead of keeping what is inside them; slower, much less memory, same gradients.
    """

    architecture: str
    params: dict[str, Any] = Field(default_factory=dict)
    encoder_weights: str | None = None
    start_weights: str | None = None
    frozen: tuple[str, ...] = ()
    checkpoint_activations: bool = False


class LossTerm(Part):
    """One term: ``weight`` times ``loss`` of `clickwise.losses` on ``output``, a name in `clickwise.training.views`."""

    loss: str
    weight: float = 1.0
    output: str = "logits"
    options: dict[str, Any] = Field(default_factory=dict)


class OptimizerPart(Part):
    """lr is multiplied per parameter by ``lr_multipliers`` (prefix of names -> factor; None = the model's own).

    layer_decay: instead of these, each layer of a plain ViT learns so much slower than the next one (published: 0.75,
    with weight_decay 0.02); None = off. clip_norm 0 = no clipping. accumulate: parts of each process's share of the
    batch that run one after the other, to save memory; the batch stays what the phase says.
    """

    name: Literal["adam", "adamw"] = "adam"
    lr: float = Field(5e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(0.0, ge=0)
    lr_multipliers: dict[str, float] | None = None
    layer_decay: float | None = Field(None, gt=0, le=1)
    accumulate: int = Field(1, ge=1)


class SchedulePart(Part):
    """Rate over the share of samples seen: linear warm-up, then steps or a straight decay to zero at the end.

    milestones: shares of the run at which the rate is multiplied by ``gamma``. decay_from: share at which a straight
    decay to zero begins (1 = none).
    """

    warmup: float = Field(0.0, ge=0, le=1)
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    decay_from: float = Field(1.0, ge=0, le=1)


class Phase(Part):
    """A stretch of training: crop size (height, width; one number = square), batch size, samples over all processes."""

    size: int | tuple[int, int]
    batch: int = Field(gt=0)
    samples: int = Field(gt=0)

    @field_validator("size", mode="before")
    @classmethod
    def _is_a_size(cls, value: Any) -> Any:
        sides = value if isinstance(value, (list, tuple)) and len(value) == 2 else [value]
        if not all(isinstance(side, int) and side >= 1 for side in sides):
            raise ValueError("expected one side or [height, width] in pixels, whole numbers above 0")
        return value

    @property
    def height_width(self) -> tuple[int, int]:
        """Size of a crop in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


class ValidationPart(Part):
    """NoC on held-out training pictures every ``every_samples``; 0 = only at the end."""

    every_samples: int = Field(0, ge=0)
    pictures: int = Field(60, ge=0)
    n_clicks: int = Field(10, ge=1)


class Recipe(Part):
    """Everything that decides a training run, except where files lie and on what it runs."""

    name: str
    seed: int = Field(0, ge=0)
    model: ModelPart
    data: AnyData
    items: AnyItems = ViewItems()
    method: AnyMethod
    losses: tuple[LossTerm, ...] = Field(min_length=1)
    optimizer: OptimizerPart = OptimizerPart()
    schedule: SchedulePart = SchedulePart()
    phases: tuple[Phase, ...] = Field(min_length=1)
    ema_decay: float = Field(0.0, ge=0, lt=1)
    precision: Literal["auto", "32", "bf16"] = "auto"
    channels_last: bool = True
    validation: ValidationPart = ValidationPart()

    @field_validator("precision", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads 32 as a number."""
        return "32" if value == 32 else value

    @property
    def total_samples(self) -> int:
        """Samples over all phases."""
        return sum(phase.samples for phase in self.phases)

    def to_yaml(self) -> str:
        """The recipe as text that `from_yaml` reads back."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
        return text

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """Read what `to_yaml` wrote. RecipeError when it is no YAML or no recipe."""
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"the recipe is no YAML: {' '.join(str(error).split())}") from None
        return checked_recipe(data)


def checked_recipe(data: Any) -> Recipe:
    """Data as a Recipe, or RecipeError naming the path of the key and the nearest valid one."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path, valid = _place(first["loc"])
        if first["type"] == "extra_forbidden":
            near = nearest(path[-1], valid)
            raise RecipeError(f"recipe key {'.'.join(path)}: unknown; nearest valid: {near}") from None
        message = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"recipe key {'.'.join(path)} (got {first['input']!r}): {message}") from None


def with_overrides(recipe: Recipe, assignments: list[str]) -> Recipe:
    """A recipe with ``a.b=c`` applied in order; c is read as YAML, list items are named by number (``phases.0``)."""
    data = yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise RecipeError(f"--set got {assignment!r}; expected key=value, for example optimizer.lr=1e-4")
        _assign(data, path.split("."), _value(text), assignment)
    return checked_recipe(data)


def _value(text: str) -> Any:
    if _EXPONENT_ALONE.fullmatch(text.strip()):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


_EXPONENT_ALONE = re.compile(r"[+-]?\d+e[+-]?\d+", re.IGNORECASE)
"""Numbers like 1e-4, which YAML reads as text."""


def _assign(data: Any, path: list[str], value: Any, assignment: str) -> None:
    node = data
    for depth, key in enumerate(path):
        try:
            index: Any = int(key) if isinstance(node, list) else key
            if depth == len(path) - 1:
                is_free = depth and (path[depth - 1] in _FREE_FORM or not node)
                if isinstance(node, dict) and key not in node and not is_free:
                    raise KeyError
                node[index] = value
            else:
                if node[index] is None:  # a part that is off: switched on by its first value, checked with the recipe
                    node[index] = {}
                node = node[index]
        except (KeyError, IndexError, ValueError, TypeError):
            valid = list(node) if isinstance(node, dict) else [f"0..{len(node) - 1}"] if isinstance(node, list) else []
            wrong, above = ".".join(path[: depth + 1]), ".".join(path[:depth])
            hint = f"nearest: {nearest(key, valid)}" if valid else f"{above} holds a single value, {node!r}"
            raise RecipeError(f"--set {assignment}: there is no key {wrong}; {hint}") from None


_FREE_FORM = frozenset({"lr_multipliers", "options", "params", "sources"})
"""Dictionaries whose keys are checked by whoever reads them."""


def _place(location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """Where an error lies: the path as one writes it, and the keys valid beside its last one.

    pydantic puts the name of the chosen kind (``method.rolling.life``) into a location; nobody writes that.
    """
    path: list[str] = []
    kinds: list[type[Part]] = [Recipe]
    valid: list[str] = []
    for step in location:
        if len(kinds) > 1 and (named := [kind for kind in kinds if kind.model_fields["name"].default == step]):
            kinds = named
            continue
        path.append(str(step))
        if isinstance(step, int):
            continue
        fields = kinds[0].model_fields
        valid = list(fields)
        if step in fields:
            annotation = fields[step].annotation
            inner = [kind for kind in (annotation, *get_args(annotation)) if _is_part(kind)]
            kinds = inner or kinds
    return path, valid


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Part)
