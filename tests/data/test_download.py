"""Data sets from a local server that misbehaves, archives that try to escape, and our own catalogue."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clickwise.data import catalogue
from clickwise.data.catalogue import CatalogueEntry, read_catalogue, source_notes
from clickwise.data.datasets.registry import dataset_entries
from clickwise.data.download import Downloader
from clickwise.data.unpack import unpack
from clickwise.errors import DatasetError, DownloadError
from clickwise.weights.fetch import FetchOptions, fetch

_SPEC = importlib.util.spec_from_file_location("web", Path(__file__).parents[1] / "weights" / "web.py")
assert _SPEC is not None
assert _SPEC.loader is not None
web_module = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(web_module)

NOISE = np.random.default_rng(0).bytes(200_000)
PATIENT = FetchOptions(timeout=0.3, slow_seconds=0.3, slow_bytes_per_second=1000, retries=2, sleep=lambda seconds: None)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def web() -> Iterator[object]:
    with web_module.serve() as web:
        yield web


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def entry(*archives: dict[str, object], **more: object) -> CatalogueEntry:
    plain = {"name": "Toy", "licence": "MIT", "source": "a test", "page": "https://example.org"}
    return CatalogueEntry.model_validate({**plain, "archives": archives, **more})


def get(item: CatalogueEntry, target: Path, **more: object) -> Path:
    return Downloader(partial(fetch, options=PATIENT), **more).download(item, target)  # type: ignore[arg-type]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_several_archives_become_one_folder(web, tmp_path) -> None:
    web.files["/one.zip"] = zipped({"Toy/img/a.jpg": NOISE, "Toy/gt/a.png": b"mask", "__MACOSX/Toy/._a": b"x"})
    inner = zipped({"panoptic/a.png": b"layers"})
    web.files["/two.tgz"] = tarred({"./deep/data/list.txt": b"list", "deep/data/in.zip": inner, "deep/code.py": b"no"})
    sha = hashlib.sha256(web.files["/two.tgz"]).hexdigest()
    item = entry(
        {"addresses": [web.url("/one.zip")], "megabytes": 0.2},
        {"addresses": [web.url("/two.tgz")], "sha256": sha, "take": "deep/data", "into": "more/info"},
        {"addresses": [web.url("/three.zip")], "take": "", "into": "x", "inner": ["x/in.zip"]},
    )
    web.files["/three.zip"] = zipped({"in.zip": inner})
    steps: list[tuple[str, int, int]] = []
    target = get(item, tmp_path / "Toy", step=lambda *step: steps.append(step))
    assert files(target) == {
        "img/a.jpg",
        "gt/a.png",
        "more/info/list.txt",
        "more/info/in.zip",
        "x/panoptic/a.png",
    }
    assert (target / "img/a.jpg").read_bytes() == NOISE
    assert [path.name for path in tmp_path.iterdir()] == ["Toy"]
    assert steps[0][0] == "unpacking one.zip"
    asked = len(web.requests)
    assert get(item, target) == target
    assert len(web.requests) == asked


def test_an_interrupted_download_goes_on(web, tmp_path) -> None:
    web.files["/one.zip"] = zipped({"a/a.jpg": b"first"})
    web.files["/two.zip"] = zipped({"b/b.jpg": NOISE})
    web.etags["/two.zip"] = '"same"'
    web.behave["/two.zip"] = ["truncate", 404]
    item = entry({"addresses": [web.url("/one.zip")]}, {"addresses": [web.url("/two.zip")]})
    with pytest.raises(DownloadError, match=r"two\.zip.*404"):
        get(item, tmp_path / "Toy")
    assert not (tmp_path / "Toy").exists()
    web.requests.clear()
    target = get(item, tmp_path / "Toy")
    assert files(target) == {"a.jpg", "b.jpg"}
    assert [(path, status) for path, _, status in web.requests] == [("/two.zip", 206)], "the rest of the second only"


def test_the_second_address_and_the_checks(web, tmp_path) -> None:
    good = zipped({"a/a.jpg": NOISE})
    web.files.update({"/bad/one.zip": b"<html>log in</html>", "/good/one.zip": good, "/short.zip": good[:9000]})
    addresses = [web.url("/bad/one.zip"), web.url("/good/one.zip")]
    assert files(get(entry({"addresses": addresses}), tmp_path / "Toy")) == {"a.jpg"}
    cases = [
        ({"addresses": addresses[:1]}, "is a web page"),
        ({"addresses": addresses[1:], "sha256": "0" * 64}, "has sha256"),
        ({"addresses": addresses[1:], "megabytes": 50}, r"has 0\.2 MB, expected 50"),
        ({"addresses": [web.url("/short.zip")]}, "damaged or encrypted"),
        ({"addresses": [web.url("/gone.zip")]}, r"404.*put it into"),
    ]
    for number, (archive, words) in enumerate(cases):
        with pytest.raises(DownloadError, match=words):
            get(entry(archive), tmp_path / f"case{number}")
        assert not (tmp_path / f"case{number}").exists()


def test_archives_can_be_kept_and_brought(web, tmp_path) -> None:
    work = tmp_path / ".Toy.download"
    work.mkdir()
    (work / "one.zip").write_bytes(zipped({"a/a.jpg": b"by hand"}))
    target = get(entry({"addresses": [web.url("/one.zip")]}), tmp_path / "Toy", keep=True)
    assert (target / "a.jpg").read_bytes() == b"by hand"
    assert (work / "one.zip").exists()


def test_what_cannot_be_fetched_says_what_to_do(tmp_path) -> None:
    with pytest.raises(DownloadError, match=r"Toy cannot be fetched for you \(https://example\.org\): go there"):
        get(entry(by_hand="go there"), tmp_path / "Toy")


ESCAPES = ["../out.txt", "a/../../out.txt", "/etc/out.txt", "C:/out.txt", "..\\out.txt", "a/C:out.txt"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_nothing_leads_out_of_the_folder(tmp_path, name, pack) -> None:
    archive = tmp_path / "in" / "evil.zip"
    archive.parent.mkdir()
    archive.write_bytes(pack({"fine.txt": b"1", name: b"2"}))
    with pytest.raises(DownloadError, match="leads out of its folder"):
        unpack(archive, tmp_path / "in" / "out")
    assert files(tmp_path) == {"in/evil.zip"}, "nothing was written"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_no_links_and_devices_in_tar(tmp_path, kind) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DownloadError, match="link or device"):
        unpack(tmp_path / "evil.tar", tmp_path / "out")


def test_no_links_in_zip(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DownloadError, match="link or device"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")


@pytest.mark.parametrize("take", [None, "", "a"])
def test_a_zip_that_understates_its_sizes_is_damaged(tmp_path, take) -> None:
    data = zipped({"a/large.bin": b"x" * 1000})
    file = tmp_path / "evil.zip"
    file.write_bytes(data.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DownloadError, match=r"damaged|not the size"):
        unpack(file, tmp_path / "out", take=take)


def test_what_is_taken(tmp_path) -> None:
    file = tmp_path / "a.tar"
    file.write_bytes(tarred({"top/a.txt": b"1", "top/in/b.txt": b"2"}, "w"))
    for take, expected in ((None, {"a.txt", "in/b.txt"}), ("", {"top/a.txt", "top/in/b.txt"}), ("top/in", {"b.txt"})):
        folder = tmp_path / f"out{take}".replace("/", "-")
        assert unpack(file, folder, take=take) == len(expected)
        assert files(folder) == expected
    with pytest.raises(DownloadError, match="no file below gone"):
        unpack(file, tmp_path / "none", take="gone")
    file.write_bytes(b"neither")
    with pytest.raises(DownloadError, match="damaged"):
        unpack(file, tmp_path / "none")


def test_our_catalogue_is_sound() -> None:
    registered = set(dataset_entries())
    for item in catalogue.entries():
        assert item.page.startswith("http")
        assert item.licence
        for archive in item.archives:
            assert all(address.startswith(("https://", "http://")) for address in archive.addresses)
            assert archive.file.endswith((".zip", ".tar", ".tgz"))
    fetched = {item.name for item in catalogue.entries() if item.archives}
    assert {"GrabCut", "Berkeley", "DAVIS", "SBD", "PascalVOC", "COCO", "LVIS"} <= fetched
    assert {"GrabCut", "Berkeley", "DAVIS", "COCO_MVal", "DAVIS585", "HQSeg"} <= registered
    assert source_notes("davis-585:stm")["terms"] == catalogue.get("DAVIS585").licence
    assert source_notes("my pictures") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{name: a}]", "no catalogue"),
        ("3", "no catalogue"),
        ("- &a {name: a, licence: x, source: x, page: x, by_hand: x}\n- *a", "has a twice"),
        ("[{name: a, licence: x, source: x, page: x}]", "either archives or by_hand"),
    ],
)
def test_a_catalogue_that_is_not(tmp_path, text, words) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(DatasetError, match=words):
        read_catalogue(tmp_path / "c.yaml")


def test_names_of_the_catalogue() -> None:
    assert catalogue.get("coco-mval").name == "COCO_MVal"
    with pytest.raises(DatasetError, match="did you mean GrabCut"):
        catalogue.get("GrabCat")
