"""`clickwise export-labels` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from clickwise.cli.main import main


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """A COCO file beside its pictures: two objects, one with a hole."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (12, 10)).save("été.jpg")
    content = {
        "images": [{"id": 1, "file_name": "été.jpg", "height": 10, "width": 12}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "lid"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6, 1, 6]]},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": [[7, 1, 9, 1, 9, 3, 7, 3]]},
        ],
    }
    Path("photos_coco.json").write_text(json.dumps(content), "utf-8")
    return tmp_path


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = main(["export-labels", *words])
    return (code, *capsys.readouterr())


def test_through_all_formats_and_back(photos, capsys) -> None:
    before = "photos_coco.json"
    for name in ("yolo", "labelme", "png-objects", "png-indexed", "voc", "coco-polygons", "coco"):
        target = f"{name}.json" if name.startswith("coco") else name
        code, out, err = run(capsys, before, "--format", name, "-o", target, "--images", ".")
        assert code == 0, err
        assert out.startswith(f"{target}: ")
        assert "2 objects in 1 picture, 2 classes" in out
        before = target
    content = json.loads(Path("coco.json").read_text("utf-8"))
    assert [one["name"] for one in content["categories"]] == ["cup", "lid"]
    assert [(one["area"], one["bbox"]) for one in content["annotations"]] == [(25, [1, 1, 5, 5]), (4, [7, 1, 2, 2])]
    assert content["images"][0]["file_name"] == "été.jpg"


def test_pictures_go_along_and_nothing_is_replaced_unasked(photos, capsys) -> None:
    words = ("photos_coco.json", "--format", "yolo", "-o", "out", "--with-pictures")
    assert run(capsys, *words)[0] == 0
    assert Path("out/images/été.jpg").read_bytes() == Path("été.jpg").read_bytes()
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert err == "error: out is there and not empty; give another folder, or --overwrite to replace its labels\n"
    assert run(capsys, *words, "--overwrite")[0] == 0
    assert main(["data", "check", "out"]) == 0


def test_notes_and_errors_are_one_line_each(photos, capsys) -> None:
    content = json.loads(Path("photos_coco.json").read_text("utf-8"))
    content["annotations"][0]["segmentation"] = {"size": [10, 12], "counts": [0, 13, 1, 106]}
    content["annotations"][0]["attributes"] = {"occluded": True}
    Path("hole.json").write_text(json.dumps(content), "utf-8")
    code, out, err = run(capsys, "hole.json", "--format", "labelme", "-o", "labelme")
    assert (code, err) == (0, "")
    content["annotations"][0]["segmentation"]["counts"] = [10, 3, 7, 1, 1, 1, 7, 3, 87]
    Path("hole.json").write_text(json.dumps(content), "utf-8")
    code, out, err = run(capsys, "hole.json", "--format", "yolo", "-o", "yolo")
    assert (code, out) == (2, "")
    assert err.startswith("error: été.jpg object 1 (cup) has a hole, which yolo cannot hold; use coco, labelme")
    assert not Path("yolo").exists()
    code, out, err = run(capsys, "hole.json", "--format", "yolo", "-o", "yolo", "--holes", "bridge")
    assert code == 0
    assert err.splitlines() == [
        "note: numbers of objects are not kept",
        "note: attributes of objects are not kept",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gone", "--format", "coco", "-o", "x.json"), "gone does not exist"),
        (("photos_coco.json", "--format", "coko", "-o", "x.json"), "did you mean coco?"),
        (("photos_coco.json", "--format", "coco", "-o", "x"), "give a name that does"),
        (("photos_coco.json", "--format", "coco", "-o", "gone/x.json"), "create it first"),
        (("photos_coco.json", "--format", "coco", "-o", "photos_coco.json"), "there already"),
        (("photos_coco.json", "--format", "yolo", "-o", "x", "--holes", "keep"), "refuse, bridge, fill"),
        (("photos_coco.json", "--format", "yolo", "-o", "x", "--images", "gone"), "--images gone is not a folder"),
        (("photos_coco.json", "--format", "coco", "-o", "x.json", "--from", "voc"), "photos_coco.json"),
    ],
)
def test_bad_arguments(words, message, photos, capsys) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


# Projects


def into(capsys, *words: str) -> tuple[int, str, str]:
    code = main(["import-labels", *words])
    return (code, *capsys.readouterr())


def test_into_a_project_and_out_again(photos, capsys) -> None:
    pytest.importorskip("sqlalchemy")
    assert into(capsys, "photos_coco.json", "-o", "mine") == (0, "mine: 2 objects added to 1 picture\n", "note: numbers of objects are not kept\n")  # fmt: skip # noqa: E501
    code, _, err = run(capsys, "mine", "--format", "coco", "-o", "again.json")
    assert (code, err) == (0, "")
    before, after = (json.loads(Path(name).read_text("utf-8")) for name in ("photos_coco.json", "again.json"))
    assert [(one["name"], one["id"]) for one in after["categories"] if one["name"] in ("cup", "lid")]
    assert [one["file_name"] for one in after["images"]] == [one["file_name"] for one in before["images"]]
    assert [(one["area"], one["bbox"]) for one in after["annotations"]] == [(25, [1, 1, 5, 5]), (4, [7, 1, 2, 2])]


def test_nothing_is_added_twice(photos, capsys) -> None:
    pytest.importorskip("sqlalchemy")
    assert into(capsys, "photos_coco.json", "-o", "mine")[0] == 0
    code, out, err = into(capsys, "photos_coco.json", "-o", "mine")
    assert (code, out) == (2, "")
    assert "has 2 objects in the project already" in err
    assert into(capsys, "photos_coco.json", "-o", "mine", "--add")[1].startswith("mine: 0 objects added")
    assert into(capsys, "mine", "-o", "copy")[1].startswith("copy: 2 objects added")


def test_an_import_that_cannot_work_leaves_no_project(photos, capsys) -> None:
    pytest.importorskip("sqlalchemy")
    Path("été.jpg").rename("elsewhere.jpg")
    code, _, err = into(capsys, "photos_coco.json", "-o", "mine")
    assert code == 2
    assert err == "error: the picture été.jpg was not found; say where it is with --images DIR\n"
    assert not Path("mine").exists()


def test_what_a_project_cannot_hold_is_refused(photos, capsys) -> None:
    pytest.importorskip("sqlalchemy")
    content = json.loads(Path("photos_coco.json").read_text("utf-8"))
    for change, words in (
        ({"categories": [{"id": 1, "name": "cup "}, {"id": 2, "name": "cup"}]}, "the class 'cup ' has a name"),
        ({"annotations": [{**content["annotations"][0], "iscrowd": 1}]}, "has a region without truth"),
    ):
        Path("odd.json").write_text(json.dumps({**content, **change}), "utf-8")
        code, _, err = into(capsys, "odd.json", "-o", "mine")
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
        assert not Path("mine").exists()
