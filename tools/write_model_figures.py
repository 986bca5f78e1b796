"""Write src/clickwise/models/figures.json: size and multiply-adds of every architecture of ours, counted anew.

To be run after an architecture was added or changed; tests/models/test_figures.py says so when it was not.
"""

from __future__ import annotations

import json

from clickwise.imaging import write_text
from clickwise.models.complexity import FIGURES_FILE, counted, own_architectures


def main() -> None:
    """Count, write, and say what changed."""
    before = json.loads(FIGURES_FILE.read_text("utf-8")) if FIGURES_FILE.exists() else {}
    found = {}
    for architecture in own_architectures():
        figures = counted(architecture)
        found[architecture.name] = {
            "parameters": figures.parameters,
            "multiply_adds": figures.multiply_adds,
            "size": list(figures.size),
        }
        if before.get(architecture.name) != found[architecture.name]:
            print(f"{architecture.name}: {before.get(architecture.name)} -> {found[architecture.name]}")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in sorted(found.items()))
    write_text(FIGURES_FILE, f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
