"""Published recipes: every constant of the releases' tables, one line per recipe, and that each is what it says."""

from __future__ import annotations

from inspect import signature
from typing import NamedTuple

import pytest

from clickwise.data.datasets.registry import DatasetEntry, find_entry
from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.models.registry import architectures
from clickwise.recipes import FAMILIES, RECIPES, get_recipe
from clickwise.training.optim import rate_factor
from clickwise.training.parts.data import MixedData
from clickwise.training.parts.items import FocusItems, PublishedItems, SuemPart
from clickwise.training.parts.methods import (
    FocusIterativeMethod,
    GatedIterativeMethod,
    IterativeClickMethod,
    IterativeMethod,
)
from clickwise.training.recipe import Recipe, with_overrides
from clickwise.training.views import get_view
from clickwise.weights import zoo

CL, CL2 = {"COCO_LVIS:train": {"stuff_prob": 0.3}}, {"COCO_LVIS:train": {"stuff_prob": 0.2}}
SBD: dict[str, dict[str, float]] = {"SBD:train": {}}
HRNET = (("nfl", 1.0, "logits"), ("bce", 0.4, "aux_logits"))
NFL = (("nfl", 1.0, "logits"),)
IGLR = (("nfl", 1.0, "logits"), ("bce", 1.0, "boundary_logits"), ("weighted_nfl", 1.0, "refined_logits+trimap"))
PAPER, RELEASED = (
    tuple(
        (name, 1.0, "logits" if name == "nfl" else "logits+attention") for name in ("nfl", second, "attention_weight")
    )
    for second in ("attention_overlap", "affinity")
)


class Line(NamedTuple):
    """What a release's table says; ``clicks`` are the rounds of clicks before a step."""

    architecture: str
    data: dict[str, dict[str, float]]
    crop: tuple[int, int]
    batch: int
    epoch: int
    epochs: int
    drops: tuple[int, ...]
    rate: float
    area: int
    background: float
    chain: str
    losses: tuple[tuple[str, float, str], ...]
    clicks: tuple[int, int] = (0, 3)


def hrnet(architecture: str, batch: int = 28) -> Line:
    return Line(architecture, CL, (320, 480), batch, 30000, 230, (200, 220), 5e-4, 1000, 0.05, "coco_lvis", HRNET)


def vit(architecture: str, crop: int = 448) -> Line:
    return Line(architecture, CL, (crop, crop), 32, 30000, 55, (50,), 5e-5, 1000, 0.05, "coco_lvis", NFL)


def turned(line: Line) -> Line:
    """A line of SBD by a plain ViT."""
    return line._replace(data=SBD, epoch=8498, area=80, background=0.01, chain="sbd")


def swin(architecture: str, crop: int) -> Line:
    return vit(architecture, crop)._replace(epochs=85, drops=(80,), chain="coco_lvis_narrow")


def iglr(architecture: str) -> Line:
    return Line(architecture, CL2, (256, 256), 28, 30000, 230, (190, 210), 5e-4, 1000, -1, "aligned", IGLR)


def srafs(architecture: str, losses: tuple[tuple[str, float, str], ...]) -> Line:
    return Line(architecture, CL2, (448, 448), 28, 30000, 85, (65,), 5e-5, 1000, 0.05, "sbd", losses)


def further(architecture: str, epochs: int, epoch: int = 30000) -> Line:
    """A line of CFR-ICL."""
    return vit(architecture)._replace(epoch=epoch, epochs=epochs, drops=(), rate=5e-6, clicks=(1, 3))


TABLE = {
    "ritm-hrnet18-cocolvis": hrnet("ritm-hrnet18"),
    "ritm-hrnet18s-cocolvis": hrnet("ritm-hrnet18s", 32),
    "ritm-hrnet32-cocolvis": hrnet("ritm-hrnet32", 32),
    **{
        f"ritm-{net}-sbd": hrnet(f"ritm-{net}", batch)._replace(
            data=SBD, epoch=8498, epochs=220, drops=(200, 215), area=80, background=0.01, chain="sbd"
        )
        for net, batch in (("hrnet18", 28), ("hrnet18s", 32))
    },
    **{
        f"simpleclick-vit-{size}-{data}": change(vit(f"simpleclick-vit-{size}"))
        for size in "blh"
        for data, change in (("cocolvis", lambda line: line), ("sbd", turned))
    },
    "simpleclick-vit-xtiny-cocolvis": vit("simpleclick-vit-xtiny")._replace(epochs=230, drops=(200,)),
    "simpleclick-vit-xtiny-sbd": turned(vit("simpleclick-vit-xtiny"))._replace(
        epochs=1001, drops=(800, 900), rate=1e-5
    ),
    "simpleclick-vit-b-cocolvis-224": vit("simpleclick-vit-b", 224)._replace(drops=(49,), rate=5e-4),
    "simpleclick-vit-l-cocolvis-224": vit("simpleclick-vit-l", 224)._replace(drops=(49,), rate=5e-4),
    **{
        f"simpleclick-vit-b-cocolvis-{crop}": vit("simpleclick-vit-b", crop)._replace(
            epochs=230, drops=(190, 220), rate=5e-4
        )
        for crop in (896, 1024)
    },
    "simpleclick-vit-b-cocolvis-dice": vit("simpleclick-vit-b")._replace(rate=1e-5, losses=(("dice", 1.0, "logits"),)),
    "cfr-icl-vit-b-cocolvis": further("simpleclick-vit-b", 5),
    "cfr-icl-vit-b-sbd": turned(further("simpleclick-vit-b", 20))._replace(area=20),
    "cfr-icl-vit-h-cocolvis": further("cfr-icl-vit-h", 1, epoch=3000),
    "cfr-icl-vit-h-sbd": turned(further("cfr-icl-vit-h", 5))._replace(area=20),
    **{f"icmformer-vit-{s}-cocolvis": vit(f"icmformer-vit-{s}")._replace(epochs=85, drops=(80,)) for s in "blh"},
    **{f"icmformer-vit-{s}-sbd": turned(vit(f"icmformer-vit-{s}")) for s in "blh"},
    **{f"icmformer-swin-{s}-cocolvis": swin(f"icmformer-swin-{s}", crop) for s, crop in (("s", 224), ("b", 384))},
    **{f"icmformer-swin-{s}-sbd": turned(vit(f"icmformer-swin-{s}", crop)) for s, crop in (("s", 224), ("b", 384))},
    "iglr-segformer-b0-cocolvis": iglr("iglr-segformer-b0"),
    "iglr-segformer-b3-cocolvis": iglr("iglr-segformer-b3")._replace(epochs=85, drops=(65,)),
    "iglr-segformer-b0-sbd": iglr("iglr-segformer-b0")._replace(data=SBD, epoch=8498, area=80),
    "iglr-segformer-b3-sbd": iglr("iglr-segformer-b3")._replace(data=SBD, epoch=8498, area=80, epochs=60, drops=(50,)),
    **{
        f"srafs-segformer-{size}-{kind}cocolvis": srafs(f"srafs-segformer-{size}", losses)
        for size in ("b0", "b3")
        for kind, losses in (("", PAPER), ("released-", RELEASED))
    },
    **{
        f"srafs-segformer-{size}-{kind}sbd": srafs(f"srafs-segformer-{size}", losses)._replace(
            data=SBD, epoch=8498, area=80, background=0.01, epochs=220, drops=(200, 215)
        )
        for size in ("b0", "b3")
        for kind, losses in (("", PAPER), ("released-", RELEASED))
    },
}
_NONE = (0, 0)
for data, sets, epoch, area, background, epochs, drops in (
    ("cocolvis", CL, 30000, 1000, 0.05, 230, (200, 220)),
    ("lvis", {"LVIS:train": {}}, 30000, 1000, 0.05, 160, (140, 155)),
    ("coco", {"COCO:train": {"stuff_prob": 0.3}}, 30000, 1000, 0.05, 140, (120, 135)),
    ("openimages", {"OpenImages:train": {}}, 30000, 1000, 0.05, 140, (120, 135)),
    ("ade20k", {"ADE20K:train": {"stuff_prob": 0.3}}, 30000, 80, 0.05, 120, (100, 115)),
    ("sbd", SBD, 8498, 80, 0.0, 120, (100, 115)),
    ("vocsbd", {"PascalVOC:train": {}, "SBD:train": {}}, 9962, 80, 0.0, 120, (100, 115)),
):
    line = Line(
        "ritm-hrnet18", sets, (320, 480), 28, epoch, epochs, drops, 5e-4, area, background, "coco_lvis", HRNET, _NONE
    )
    TABLE[f"ritm-hrnet18-{data}-baseline"] = line
    TABLE[f"ritm-resnet34-{data}"] = line._replace(architecture="ritm-resnet34", losses=NFL)
_LIKE_RESNET = {"area": 80, "background": 0.0, "epochs": 160, "drops": (140, 155)}
TABLE["ritm-resnet34-cocolvis"] = TABLE["ritm-resnet34-cocolvis"]._replace(**_LIKE_RESNET)
for key, loss in (("bce", "bce"), ("focal", "focal"), ("nfl", "nfl"), ("soft-iou", "soft_iou")):
    TABLE[f"ritm-hrnet18-cocolvis-loss-{key}"] = TABLE["ritm-hrnet18-cocolvis-baseline"]._replace(
        **_LIKE_RESNET, losses=((loss, 1.0, "logits"), HRNET[1])
    )


def test_every_published_recipe_is_in_the_table_and_in_one_family() -> None:
    ours = {name for name in RECIPES if name.endswith("-pack") or name.startswith(("compare-", "clickwise-s"))}
    assert set(RECIPES) - ours == set(TABLE)
    assert len(RECIPES) == sum(map(len, FAMILIES.values()))


@pytest.mark.parametrize("name", TABLE)
def test_published_constants(name: str) -> None:
    recipe, line = get_recipe(name), TABLE[name]
    assert (recipe.name, recipe.model.architecture) == (name, line.architecture)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert isinstance(recipe.data, MixedData)
    assert {part.dataset: part.options for part in recipe.data.sets} == line.data
    assert all(part.weight is None and not part.hold_out for part in recipe.data.sets), "everything is trained on"
    assert recipe.data.duplicate_iou is None
    (phase,) = recipe.phases
    assert (phase.height_width, phase.batch, phase.samples) == (line.crop, line.batch, line.epochs * line.epoch)
    for drop in (*line.drops, line.epochs):
        before = sum(earlier < drop for earlier in line.drops)
        assert rate_factor((drop - 0.5) / line.epochs, recipe.schedule) == pytest.approx(0.1**before)
    assert rate_factor(0.0, recipe.schedule) == 1
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.betas) == ("adam", line.rate, (0.9, 0.999))
    assert (optimizer.weight_decay, optimizer.clip_norm, optimizer.layer_decay) == (0, 0, None)
    assert optimizer.lr_multipliers is None
    assert tuple((term.loss, term.weight, term.output) for term in recipe.losses) == line.losses
    for term in recipe.losses:
        assert make_loss({"name": term.loss, **term.options})
        assert get_view(term.output)
        assert term.options == ({"alpha": 0.5, "gamma": 2.0} if term.loss in ("nfl", "focal", "weighted_nfl") else {})
    assert (recipe.precision, recipe.ema_decay) == ("32", 0)


@pytest.mark.parametrize("name", TABLE)
def test_items_and_clicks(name: str) -> None:
    recipe, line = get_recipe(name), TABLE[name]
    items, method = recipe.items, recipe.method
    is_iglr, is_srafs, is_cfr = (name.startswith(start) for start in ("iglr-", "srafs-", "cfr-icl-"))
    assert isinstance(items, FocusItems if is_iglr else PublishedItems)
    assert items.chain == line.chain
    points, target = items.points, items.target
    assert (points.max_num_points, points.prob_gamma) == (12 if name.startswith("cfr-icl-vit-h") else 24, 0.8)
    assert points.first_click_center == (is_iglr or is_srafs)
    assert (target.merge_objects_prob, target.max_num_merged_objects, target.use_hierarchy) == (0.15, 2, False)
    if isinstance(items, PublishedItems):
        assert (items.min_object_area, items.keep_background_prob) == (line.area, line.background)
        assert items.suem == (SuemPart(copy_paste_prob=0.5, image_mix_prob=0.5) if is_cfr else None)
    else:
        assert (items.min_area, items.least_component, items.most_share) == (line.area, 900, 0.85)
    if name.startswith("cfr-icl-vit-h"):
        assert method == IterativeClickMethod(weights=(1, 2, 3), use_random_clicks=True)
        return
    kind = FocusIterativeMethod if is_iglr else GatedIterativeMethod if is_srafs else IterativeMethod
    assert method == kind(min_next_clicks=line.clicks[0], max_next_clicks=line.clicks[1])


@pytest.mark.parametrize("name", TABLE)
def test_what_a_recipe_starts_from(name: str) -> None:
    model = get_recipe(name).model
    architecture = architectures()[model.architecture]
    assert set(model.params) <= set(architecture.params)
    if name.startswith("cfr-icl"):
        assert model.start_weights == f"simpleclick-{name.removeprefix('cfr-icl-')}"
        assert zoo.get(model.start_weights).name == model.start_weights
        assert model.encoder_weights is None
        return
    assert model.start_weights is None
    assert (model.encoder_weights is None) == ("xtiny" in name)
    native = model.params.get("image_size", architecture.native_size)
    crop = get_recipe(name).phases[0].height_width
    assert name.startswith("ritm") or tuple(native) == crop, "crops are as large as the network's own pictures"


def test_parameters_of_networks() -> None:
    expected = {
        **{name: {"with_prev_mask": False} for name in TABLE if "hrnet18-" in name and TABLE[name].clicks == _NONE},
        "simpleclick-vit-b-cocolvis-224": {"image_size": [224, 224], "neck_channels": [256] * 4},
        "simpleclick-vit-l-cocolvis-224": {"image_size": [224, 224]},
        "simpleclick-vit-b-cocolvis-896": {"image_size": [896, 896], "neck_channels": [256] * 4},
        "simpleclick-vit-b-cocolvis-1024": {"image_size": [1024, 1024], "neck_channels": [256] * 4},
        "icmformer-swin-s-sbd": {"window": 7},
        **{name: {"variant": "released" if "released" in name else "paper"} for name in TABLE if "srafs" in name},
    }
    assert {name: get_recipe(name).model.params for name in TABLE if get_recipe(name).model.params} == expected


def test_weights_of_sbd_samples_count_except_where_sets_are_put_together() -> None:
    for name in TABLE:
        data = get_recipe(name).data
        assert isinstance(data, MixedData)
        weighted = [part.weighted for part in data.sets if part.dataset == "SBD:train"]
        assert weighted in ([], ["vocsbd" not in name])


@pytest.mark.parametrize("dataset", sorted({dataset for line in TABLE.values() for dataset in line.data}))
def test_readers_know_splits_and_options(dataset: str) -> None:
    from importlib import import_module

    entry = find_entry(dataset)
    assert isinstance(entry, DatasetEntry)
    assert dataset.partition(":")[2] in entry.splits
    module, _, reader = entry.reader.partition(":")
    known = signature(getattr(import_module(f"clickwise.data.datasets.{module}"), reader)).parameters
    options = {key for line in TABLE.values() for key in line.data.get(dataset, {})}
    assert options <= set(known)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("data.sets.0.stuff_prob=0", ["data.sets.0.stuff_prob"]),
        ("data.sets.0.hold_on=true", ["data.sets.0.hold_on", "hold_out"]),
        ("data.validaton=GrabCut", ["data.validaton", "validation"]),
        ("method.min_next_click=1", ["method.min_next_click", "min_next_clicks"]),
        ("method.min_next_clicks=4", ["method", "max_next_clicks"]),
    ],
)
def test_misspelt_keys_and_wrong_values(assignment: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        with_overrides(get_recipe("ritm-hrnet18-cocolvis"), [assignment])
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_free_values_through_set() -> None:
    changed = with_overrides(get_recipe("ritm-hrnet18-cocolvis"), ["data.sets.0.options.stuff_prob=0.1"])
    assert isinstance(changed.data, MixedData)
    assert changed.data.sets[0].options == {"stuff_prob": 0.1}
