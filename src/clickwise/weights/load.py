"""Weights by name or file -> a model ready to use. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from clickwise.errors import (
    CheckpointError,
    ClickwiseError,
    ModelError,
    OptionError,
    UnknownModelError,
    WeightsMissingError,
)
from clickwise.models.backbones.imagenet import DERIVED_ENDINGS
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import architectures, build_model, get_architecture
from clickwise.nearest import nearest
from clickwise.weights import hub, zoo
from clickwise.weights.adapters import adapter_for_architecture, adapter_for_class, adapters
from clickwise.weights.adapters.base import Adapter
from clickwise.weights.checkpoint import Checkpoint, CheckpointHeader, is_safetensors, read_checkpoint
from clickwise.weights.published import PublishedFile, read_published

_FILE_ENDINGS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
_SHOWN_DIFFERENCES = 3
_VALUES_ONLY = frozenset(
    {"kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "trunc_normal_", "constant_", "ones_"}
    | {"normal_", "uniform_", "zeros_", "fill_", "zero_", "mul_", "add_", "clamp_", "erfinv_"}
)
"""Functions that change a tensor's values only: without effect on one that has none, but slow there."""


def list_models() -> list[str]:
    """Sorted names of all architectures (for `build_model`) and weights (for `load_model`)."""
    return sorted({*architectures(), *zoo.names()})


def load_model(
    name_or_path: str | PathLike[str],
    *,
    architecture: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    variant: str | None = None,
) -> InteractiveModel:
    """A network with weights, in eval mode.

    name_or_path: name or alias of weights (see `list_models`), or a file: our ``.safetensors`` or a published ``.pth``.
    architecture: fixes method and backbone where the file does not say; an error if the file says something else.
    dtype: of the module; None = float32, also for files stored in half precision.
    variant: of architectures that have some (e.g. "paper"); None = what the file says.

    Raises WeightsMissingError for weights that are not on this machine (the message names the command that fetches
    them), UnknownModelError for a name nobody knows, CheckpointError for a file that does not hold what it should.

    >>> model = load_model("clickwise-s")  # doctest: +SKIP
    """
    if architecture is not None:
        get_architecture(architecture)
    if dtype is not None and not dtype.is_floating_point:
        raise OptionError(f"dtype is {dtype}; expected a floating type such as torch.float32 or torch.float16")
    path, expected = _find(name_or_path)
    if architecture is not None and expected is not None and architecture != expected:
        raise CheckpointError(
            f"{name_or_path} are weights of {expected}, not of {architecture}; leave architecture out"
        )
    model = read_model(path, architecture=architecture or expected, dtype=dtype or torch.float32, variant=variant)
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).partition("\n")[0]
        raise OptionError(f"device {str(device)!r} cannot be used ({first}); choose cpu, cuda or mps") from None


def read_model(
    path: Path, *, architecture: str | None, dtype: torch.dtype = torch.float32, variant: str | None = None
) -> InteractiveModel:
    """The model in a file, on the CPU, in eval mode; see `load_model`."""
    _check_is_file(path)
    if is_safetensors(path):
        checkpoint = read_checkpoint(path)
        if checkpoint.header is not None:
            return _from_ours(path, checkpoint, checkpoint.header, architecture, dtype, variant)
        return _from_published(path, PublishedFile(None, checkpoint.entries), architecture, dtype, variant)
    return _from_published(path, read_published(path), architecture, dtype, variant)


def _find(name_or_path: str | PathLike[str]) -> tuple[Path, str | None]:
    """File, and the architecture it must hold if the name is that of known weights."""
    path = Path(name_or_path)
    text = str(name_or_path)
    looks_like_path = not isinstance(name_or_path, str) or path.name != text or text.endswith(_FILE_ENDINGS)
    if looks_like_path and path.exists():
        return path, None
    entry = zoo.find(text) if isinstance(name_or_path, str) else None
    if entry is not None:
        local = hub.find_local(entry)
        if local is None:
            raise WeightsMissingError(_how_to_get(entry))
        return local, entry.architecture
    if path.is_file():
        return path, None
    if looks_like_path:
        raise CheckpointError(
            f"there is no file {path}; give the path of a .pth or .safetensors file, or a name of `clickwise models`"
        )
    raise UnknownModelError(_no_such_name(text))


def _how_to_get(entry: zoo.ZooEntry) -> str:
    if entry.embedded:
        return f"the weights {entry.name} are missing from this installation; reinstall clickwise"
    return f"the weights {entry.name} are not on this machine; fetch them with: clickwise download {entry.name}"


def _no_such_name(name: str) -> str:
    if name in architectures():
        ours = [known for known in zoo.names() if zoo.get(known).architecture == name]
        if ours:
            return f"{name} is an architecture, not weights; weights for it: {', '.join(ours)}"
        return (
            f"{name} is an architecture for which no weights are known; train it, give a file with "
            f"architecture={name!r}, or build it with random weights by clickwise.build_model"
        )
    weights = [label for entry in zoo.entries() for label in (entry.name, *entry.aliases)]
    known = dict.fromkeys([*weights, *architectures()])  # clickwise-s is both
    near = nearest(name, known, most=3, fallback=zoo.names()[:3])
    return f"no weights are called {name!r} and there is no such file; nearest: {near} (`clickwise models` lists all)"


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; give a .pth or .safetensors file")
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; give the path of a .pth or .safetensors file")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise CheckpointError(f"{path} is empty; fetch it again")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); check its permissions") from None


def _from_ours(
    path: Path,
    checkpoint: Checkpoint,
    header: CheckpointHeader,
    architecture: str | None,
    dtype: torch.dtype,
    variant: str | None,
) -> InteractiveModel:
    if architecture is not None and architecture != header.architecture:
        raise CheckpointError(f"{path} holds {header.architecture}, not {architecture}; leave architecture out")
    adapter = adapter_for_architecture(header.architecture)
    model = _build_empty(path, header.architecture, header.params, variant)
    fill(model, checkpoint.entries, dtype=dtype, source=path, adapter=adapter)
    return model


def _from_published(
    path: Path, file: PublishedFile, architecture: str | None, dtype: torch.dtype, variant: str | None
) -> InteractiveModel:
    shapes = {name: tuple(value.shape) for name, value in file.entries.items()}
    adapter = adapter_for_class(file.config.class_path) if file.config is not None else None
    try:
        if adapter is not None:  # the config is known, and what it says counts
            config = file.config
            found = adapter.identify(config, shapes)
            if architecture is not None and getattr(adapter, "same_network", {}).get(architecture) == found:
                found = architecture  # files of both look alike, so the caller decides
            if found is None or (architecture is not None and architecture != found):
                raise CheckpointError(f"its config says {found}, not {architecture}; leave architecture out")
        elif architecture is None:
            raise CheckpointError(_ask_for_architecture(file, shapes))
        else:
            config, found = None, architecture
            adapter = adapter_for_architecture(found)
        params = adapter.params(config, shapes) if adapter is not None else {}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path} has a config or shapes that make no sense ({error}); is it damaged?") from None
    model = _build_empty(path, found, params, variant)
    if adapter is None:
        fill(model, file.entries, dtype=dtype, source=path)
        return model
    renamed = {adapter.our_name(name): value for name, value in file.entries.items()}
    fill(model, renamed, dtype=dtype, source=path, adapter=adapter, shown_name=adapter.published_name)
    return model


def _ask_for_architecture(file: PublishedFile, shapes: Mapping[str, tuple[int, ...]]) -> str:
    guesses = []
    for adapter in adapters():
        try:
            guess = adapter.identify(None, shapes)
        except CheckpointError:
            continue
        if guess is not None:
            guesses.append(guess)
    why = (
        f"its config names an unknown class {file.config.class_path}"
        if file.config
        else "it has no config that says what it is"
    )
    hint = f"it looks like architecture={guesses[0]!r}" if len(guesses) == 1 else "say which with architecture=..."
    return f"{why}; {hint}"


def _build_empty(path: Path, architecture: str, params: Mapping[str, Any], variant: str | None) -> InteractiveModel:
    """The module without memory for its weights; torch's global random state is left alone."""
    if variant is not None:
        if "variant" not in get_architecture(architecture).params:
            raise OptionError(f"{architecture} has no variants; leave variant={variant!r} out")
        params = {**params, "variant": variant}
    try:
        with torch.random.fork_rng(devices=[]), _WeightsOnMeta():
            return build_model(architecture, **params)
    except ClickwiseError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: {architecture} cannot be built from its parameters ({reason})") from None


class _WeightsOnMeta(TorchFunctionMode):
    """Gives ``torch.empty``, by which layers make their weights, no memory.

    Everything else stays real, unlike under ``torch.device("meta")``: constants that a module computes for itself and
    no file holds (means, index tables) would be lost there.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        if getattr(func, "__name__", "") in _VALUES_ONLY:
            target = args[0] if args else kwargs.get("tensor")
            if isinstance(target, Tensor) and target.is_meta:
                return target
        return func(*args, **kwargs)


@torch.no_grad()
def fill(
    model: InteractiveModel,
    entries: Mapping[str, Tensor],
    *,
    dtype: torch.dtype,
    source: Path,
    adapter: Adapter | None = None,
    shown_name: Callable[[str], str] = str,
) -> None:
    """Give a model every entry, by our names; afterwards it is in eval mode and has ``dtype`` throughout.

    Entries that never run may be missing (they become 0), or be there although the model has none of that name; those
    a module computes itself are not read.
    Raises CheckpointError, with the first differences under their name in the file, when anything else does not match.
    """
    own = {name: value for name, value in model.state_dict().items() if not name.endswith(DERIVED_ENDINGS)}
    given = {name: value for name, value in entries.items() if not name.endswith(DERIVED_ENDINGS)}
    if adapter is not None:  # what never runs may be in the file without being in the module
        given = {name: value for name, value in given.items() if name in own or not adapter.never_runs(name)}
    absent = own.keys() - given.keys()
    inert = {name for name in absent if adapter is not None and adapter.never_runs(name)}
    wrong = [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    if absent - inert or given.keys() - own.keys() or wrong:
        shapes = [f"{shown_name(n)} is {tuple(given[n].shape)}, expected {tuple(own[n].shape)}" for n in sorted(wrong)]
        found = (
            ("missing", sorted(map(shown_name, absent - inert))),
            ("unexpected", sorted(map(shown_name, given.keys() - own.keys()))),
            ("of another shape", shapes),
        )
        raise CheckpointError(f"{source} does not fit {model.architecture}: {_difference_text(found)}")
    values = {name: torch.zeros(own[name].shape, dtype=dtype) for name in inert}
    for name, value in given.items():
        kind = dtype if own[name].is_floating_point() else own[name].dtype
        values[name] = value.to(kind, copy=True)
    model.load_state_dict(values, strict=False, assign=True)
    model.to(dtype).eval()
    empty = [name for name, value in (*model.named_parameters(), *model.named_buffers()) if value.is_meta]
    if empty:
        raise ModelError(
            f"{model.architecture}: {empty[0]} has no value after loading; its module must not use torch.empty"
        )


def _difference_text(found: tuple[tuple[str, list[str]], ...]) -> str:
    parts = []
    for kind, names in found:
        if names:
            more = ", ..." if len(names) > _SHOWN_DIFFERENCES else ""
            parts.append(f"{len(names)} {kind} ({', '.join(names[:_SHOWN_DIFFERENCES])}{more})")
    return "; ".join(parts)
