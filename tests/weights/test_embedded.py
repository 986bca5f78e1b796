"""The weights inside the package: small, honest about where they come from, and good at what they are for."""

from pathlib import Path

import clickwise
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.metrics import iou
from clickwise.recipes import get_recipe
from clickwise.weights import hub, zoo
from clickwise.weights.checkpoint import read_header


def embedded() -> Path:
    path = hub.find_local(zoo.get("clickwise-s"))
    assert path is not None
    return path


def test_small_and_described() -> None:
    path = embedded()
    assert path.stat().st_size < 12e6
    assert clickwise.load_model("clickwise-s").parameter_count < 6e6
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    header = read_header(path)
    recipe = get_recipe(header.info["recipe"])
    assert header.info["samples"] == sum(phase.samples for phase in recipe.phases)
    for words in ("research", "CC BY-NC 4.0", f"clickwise train {recipe.name}", "seed"):
        assert words in card


def test_three_clicks_on_the_bundled_photo() -> None:
    sample = clickwise.sample()
    predictor = clickwise.Predictor(clickwise.load_model("clickwise-s"))
    predictor.set_image(sample.image)
    scores = [iou(predictor.click(c.x, c.y, c.is_positive).mask, sample.truth) for c in sample.clicks]
    assert scores[0] > 0.8
    assert scores[-1] > 0.95


def test_some_objects_of_grabcut(data_root: Path) -> None:
    from clickwise.data.datasets.registry import open_dataset

    dataset = open_dataset("GrabCut", data_root)

    class FirstFive:
        name, sample_ids = "GrabCut", dataset.sample_ids[:5]

        def __len__(self) -> int:
            return 5

        def load(self, index: int) -> object:
            return dataset.load(index)

    result = clickwise.evaluate("clickwise-s", FirstFive(), protocol=EvaluationProtocol(n_clicks=5))
    assert result.iou_at(1) < result.iou_at(3) < result.iou_at(5)
    assert result.iou_at(5) > 0.9
