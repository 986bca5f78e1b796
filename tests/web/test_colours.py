"""Letters of the page can be read: 4.5 to 1 against what they lie on, in both themes (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BASE = Path(__file__).parents[2] / "src" / "clickwise" / "annotate" / "web" / "css" / "base.css"
LEAST = 4.5
PAIRS = [
    *((letters, ground) for letters in ("text", "muted", "faint") for ground in ("panel", "raised", "hover", "chosen")),
    *(("accent-text", fill) for fill in ("accent-fill", "accent-over")),
    *((letters, "panel") for letters in ("accent", "good", "warn", "bad")),
]


def colours(theme: str) -> dict[str, tuple[float, ...]]:
    """Names and red, green, blue of a theme; "chosen" is what lies under the rows that are selected."""
    dark, light = (dict(re.findall(r"--([\w-]+): ([^;]+);", block)) for block in blocks())
    said = dark | (light if theme == "light" else {})
    found = {name: parsed(value) for name, value in said.items() if value.startswith("#")}
    *soft, alpha = (float(part) for part in re.findall(r"[\d.]+", said["accent-soft"]))
    found["chosen"] = tuple(alpha * a + (1 - alpha) * b for a, b in zip(soft, found["panel"], strict=True))
    return found


def blocks() -> list[str]:
    """The two lists of colours, dark and light."""
    return re.findall(r"^:root[^{]*\{([^}]*)\}", BASE.read_text("utf-8"), re.MULTILINE)


def parsed(text: str) -> tuple[float, ...]:
    return tuple(float(int(text[place : place + 2], 16)) for place in (1, 3, 5))


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance, as WCAG defines it."""
    linear = [c / 12.92 if (c := value / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for value in colour]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("letters", "ground"), PAIRS)
def test_letters_can_be_read(theme: str, letters: str, ground: str) -> None:
    found = colours(theme)
    low, high = sorted((luminance(found[letters]), luminance(found[ground])))
    assert (high + 0.05) / (low + 0.05) >= LEAST
