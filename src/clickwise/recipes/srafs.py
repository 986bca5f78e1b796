"""SRAFS's recipes (reference: its release; srafs.md section 5). Variants derive from B3 as released.

The variant "paper" is trained with the overlap of attention fields; "released" with the affinity loss, as its weights
have to learn the release's quirks. Losses and network are chosen apart: ``--set model.params.variant=released`` on the
first kind trains the released network with the overlap loss.

B0 has no published recipe: it gets B3's. The published start is a public MiT file in ``weights/`` below the data root
(``--set model.encoder_weights=FILE``). Its low rate for the encoder goes with that file: without it, set
``--set model.encoder_weights=null --set optimizer.lr_multipliers={}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clickwise.recipes.building import Entry, run_of, variant, with_items, with_model
from clickwise.recipes.pack import on_pack
from clickwise.recipes.sets import COCO_LVIS_SEGFORMER, SBD
from clickwise.training.parts.items import PointsPart, PublishedItems
from clickwise.training.parts.methods import GatedIterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Recipe

_SIZE = 448
_BATCH = 28
"""The recipe's default; the script's own is 2, the README's 6."""
_EPOCHS, _MILESTONES = 85, (65,)
_EPOCHS_SBD, _MILESTONES_SBD = 220, (200, 215)
"""Epochs, and those at which the rate falls to a tenth. (COCO+LVIS also names the last epoch, which never acts.)"""
_VALIDATE_EVERY_EPOCHS = 5

_NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
_WEIGHTS = LossTerm(loss="attention_weight", output="logits+attention")
_OVERLAP = LossTerm(loss="attention_overlap", output="logits+attention")
_AFFINITY = LossTerm(loss="affinity", output="logits+attention")


def released_cocolvis(size: str) -> Recipe:
    """SegFormer-B0 or B3 as released, its network and its losses: 0..3 clicks on its own errors before each step."""
    return Recipe(
        name=f"srafs-segformer-{size}-released-cocolvis",
        model=ModelPart(
            architecture=f"srafs-segformer-{size}",
            params={"variant": "released"},
            encoder_weights=f"weights/mit_{size}.pth",
        ),
        data=COCO_LVIS_SEGFORMER.data,
        # The chain is named "sbd" after the other systems' recipes that have the same steps.
        items=PublishedItems(
            chain="sbd", keep_background_prob=0.05, min_object_area=1000, points=PointsPart(first_click_center=True)
        ),
        method=GatedIterativeMethod(max_next_clicks=3),
        losses=(_NFL, _AFFINITY, _WEIGHTS),
        optimizer=OptimizerPart(name="adam", lr=5e-5, betas=(0.9, 0.999)),
        **run_of(
            _EPOCHS,
            _MILESTONES,
            epoch=COCO_LVIS_SEGFORMER.epoch,
            size=_SIZE,
            batch=_BATCH,
            validate_every=_VALIDATE_EVERY_EPOCHS,
        ),
        precision="32",
    )


def released_sbd(size: str) -> Recipe:
    """The same on SBD."""
    run = run_of(_EPOCHS_SBD, _MILESTONES_SBD, epoch=SBD.epoch, size=_SIZE, batch=_BATCH)
    name = f"srafs-segformer-{size}-released-sbd"
    on_it = variant(released_cocolvis(size), name, data=SBD.data, **run)
    return with_items(on_it, keep_background_prob=0.01, min_object_area=80)


def released_pack(size: str) -> Recipe:
    """The same on the training pack; trivial items are drawn again, so no background is kept."""
    return with_items(on_pack(released_cocolvis(size)), keep_background_prob=0.0)


def of_paper(released: Recipe) -> Recipe:
    """Network and losses as the paper describes them."""
    changed = variant(released, released.name.replace("-released", ""), losses=(_NFL, _OVERLAP, _WEIGHTS))
    return with_model(changed, params={"variant": "paper"})


def _paper_cocolvis(size: str) -> Recipe:
    return of_paper(released_cocolvis(size))


def _paper_sbd(size: str) -> Recipe:
    return of_paper(released_sbd(size))


def _paper_pack(size: str) -> Recipe:
    return of_paper(released_pack(size))


def _entries() -> Iterator[tuple[str, Entry]]:
    for data, where, paper, released in (
        ("cocolvis", " on COCO+LVIS", _paper_cocolvis, released_cocolvis),
        ("sbd", " on SBD", _paper_sbd, released_sbd),
        ("pack", " on our pack", _paper_pack, released_pack),
    ):
        for size in ("b0", "b3"):
            network = f"srafs-segformer-{size}"
            ours = "; ours, not published" if size == "b0" and data != "pack" else ""
            title = f"SegFormer-{size.upper()}{where}"
            yield f"{network}-{data}", Entry(f"{title}, as the paper describes it{ours}", partial(paper, size))
            yield f"{network}-released-{data}", Entry(f"{title}, as released{ours}", partial(released, size))


SRAFS = dict(_entries())
"""Name on the command line -> recipe."""
