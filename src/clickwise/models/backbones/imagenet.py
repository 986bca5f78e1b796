"""Filling a backbone from a public ImageNet file: entries are matched by name, and the outcome is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clickwise.errors import CheckpointError

DERIVED_ENDINGS = ("num_batches_tracked", "relative_position_index")
"""Entries that a module computes itself: never read from a file, never written to one."""


@dataclass(frozen=True)
class BackboneReport:
    """What became of a public file: entry names.

    used: copied. ignored: in the file only (classifier and the like). kept: in the backbone only, left as they were.
    """

    used: tuple[str, ...]
    ignored: tuple[str, ...]
    kept: tuple[str, ...]

    def summary(self) -> str:
        """One line for a log."""
        text = f"{len(self.used)} entries used, {len(self.ignored)} of the file ignored"
        return (
            f"{text}, {len(self.kept)} of the backbone not in the file (first: {self.kept[0]})" if self.kept else text
        )


@torch.no_grad()
def fill_matching(module: nn.Module, entries: Mapping[str, Tensor]) -> BackboneReport:
    """Copy every entry whose name the module has.

    Raises CheckpointError, and changes nothing, when no name fits or a shape differs.
    """
    own = {name: value for name, value in module.state_dict().items() if not name.endswith(DERIVED_ENDINGS)}
    used = sorted(own.keys() & entries.keys())
    if not used:
        first = next(iter(entries), "nothing")
        raise CheckpointError(
            f"no entry fits {type(module).__name__} (the file begins with {first!r}); "
            f"expected names like {next(iter(own))!r}"
        )
    wrong = [name for name in used if own[name].shape != entries[name].shape]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{name} has shape {tuple(entries[name].shape)}, {type(module).__name__} expects {tuple(own[name].shape)} "
            f"({len(wrong)} such entries); use the file of the same backbone size"
        )
    for name in used:
        own[name].copy_(entries[name])
    ignored = sorted(name for name in entries.keys() - own.keys() if not name.endswith(DERIVED_ENDINGS))
    return BackboneReport(tuple(used), tuple(ignored), tuple(sorted(own.keys() - entries.keys())))
