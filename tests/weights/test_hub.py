"""Downloads against a local server that breaks in every way we have heard of."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clickwise.errors import DownloadError
from clickwise.weights import fetch, hub
from clickwise.weights.fetch import FetchOptions
from clickwise.weights.zoo import ZooEntry
from web import Web, serve

BODY = b"PK\x03\x04" + np.random.default_rng(0).bytes(400_000)
SHA = hashlib.sha256(BODY).hexdigest()
PATIENT = FetchOptions(timeout=0.3, slow_seconds=0.3, slow_bytes_per_second=1000, retries=2, sleep=lambda seconds: None)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        web.files["/good.pth"] = BODY
        web.etags["/good.pth"] = '"one"'
        yield web


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "CLICKWISE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def entry(*addresses: str, sha256: str | None = SHA, **more: object) -> ZooEntry:
    return ZooEntry.model_validate(
        {
            "name": "toy-weights",
            "aliases": ["toy"],
            "file": "toy.pth",
            "architecture": "toy",
            "addresses": addresses,
            "sha256": sha256,
            "licence": "MIT",
            "trained_on": "nothing",
            "source": "a test",
            **more,
        }
    )


def get(item: ZooEntry, environ: dict[str, str], **more: object) -> Path:
    return hub.download(item, options=PATIENT, environ=environ, **more)  # type: ignore[arg-type]


def left_behind(environ: dict[str, str]) -> set[str]:
    folder = hub.cache_folder(environ)
    return {p.name for p in folder.iterdir()} - {"toy.pth.lock"} if folder.exists() else set()


def test_download_reports_progress_shows_the_licence_first_and_is_found_afterwards(
    web: Web, environ: dict[str, str]
) -> None:
    seen: list[tuple[int, int | None]] = []
    said: list[str] = []

    def announce(notice: str) -> None:
        assert not web.requests, "the notice comes before the first request"
        said.append(notice)

    item = entry(web.url("/good.pth"))
    assert hub.find_local(item, environ) is None
    path = get(item, environ, progress=lambda done, total: seen.append((done, total)), announce=announce)
    assert path.read_bytes() == BODY
    assert (
        path == hub.find_local(item, environ) == Path(environ["XDG_CACHE_HOME"]) / "clickwise" / "weights" / "toy.pth"
    )
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert "MIT" in said[0]
    assert left_behind(environ) == {"toy.pth", "toy.pth.LICENSE"}
    assert (path.parent / "toy.pth.LICENSE").read_text().startswith("MIT\n")
    get(item, environ)
    assert len(web.requests) == 1, "the second call finds the file"


@pytest.mark.parametrize("sha256", [SHA, None])
def test_truncated_answer_is_continued_where_it_stopped(web: Web, environ: dict[str, str], sha256: str | None) -> None:
    web.behave["/good.pth"] = ["truncate"]
    assert get(entry(web.url("/good.pth"), sha256=sha256), environ).read_bytes() == BODY
    assert web.requests == [("/good.pth", None, 200), ("/good.pth", f"bytes={len(BODY) // 2}-", 206)]


def test_interrupted_download_is_continued_by_the_next_process(web: Web, environ: dict[str, str]) -> None:
    web.behave["/good.pth"] = ["truncate", 404]
    item = entry(web.url("/good.pth"))
    with pytest.raises(DownloadError, match="404"):
        get(item, environ)
    assert left_behind(environ) == {"toy.pth.part", "toy.pth.part.json"}
    assert hub.find_local(item, environ) is None, "a part is never taken for the file"
    assert get(item, environ).read_bytes() == BODY
    assert web.requests[-1] == ("/good.pth", f"bytes={len(BODY) // 2}-", 206)


def test_file_that_changed_meanwhile_starts_anew(web: Web, environ: dict[str, str]) -> None:
    web.behave["/good.pth"] = ["truncate", 404]
    item = entry(web.url("/good.pth"), sha256=None)
    with pytest.raises(DownloadError):
        get(item, environ)
    web.files["/good.pth"] = newer = b"PK\x03\x04" + b"x" * 300_000
    web.etags["/good.pth"] = '"two"'
    assert get(item, environ).read_bytes() == newer
    assert web.requests[-1][2] == 200


def test_server_without_validator_starts_anew_unless_a_checksum_will_tell(web: Web, environ: dict[str, str]) -> None:
    del web.etags["/good.pth"]
    web.behave["/good.pth"] = ["truncate"]
    assert get(entry(web.url("/good.pth"), sha256=None), environ).read_bytes() == BODY
    assert [status for _, _, status in web.requests] == [200, 200]


def test_server_that_ignores_range(web: Web, environ: dict[str, str]) -> None:
    web.behave["/good.pth"] = ["truncate", "ignore-range"]
    assert get(entry(web.url("/good.pth")), environ).read_bytes() == BODY
    assert [status for _, _, status in web.requests] == [200, 200]


def test_complete_part_is_recognised_by_416(web: Web, environ: dict[str, str]) -> None:
    folder = hub.cache_folder(environ)
    folder.mkdir(parents=True)
    (folder / "toy.pth.part").write_bytes(BODY)
    assert get(entry(web.url("/good.pth")), environ).read_bytes() == BODY
    assert web.requests == [("/good.pth", f"bytes={len(BODY)}-", 416)]


def test_part_longer_than_the_file_starts_anew(web: Web, environ: dict[str, str]) -> None:
    folder = hub.cache_folder(environ)
    folder.mkdir(parents=True)
    (folder / "toy.pth.part").write_bytes(BODY + b"more")
    assert get(entry(web.url("/good.pth")), environ).read_bytes() == BODY
    assert [status for _, _, status in web.requests] == [416, 200]


def test_part_of_another_file_is_noticed_by_the_checksum_and_fetched_once_more(
    web: Web, environ: dict[str, str]
) -> None:
    folder = hub.cache_folder(environ)
    folder.mkdir(parents=True)
    (folder / "toy.pth.part").write_bytes(b"z" * 1000)
    assert get(entry(web.url("/good.pth")), environ).read_bytes() == BODY
    assert [status for _, _, status in web.requests] == [206, 200]


def test_second_address_helps_when_the_first_is_gone(web: Web, environ: dict[str, str]) -> None:
    item = entry(web.url("/gone.pth"), "http://127.0.0.1:9/refused.pth", web.url("/good.pth"))
    assert get(item, environ).read_bytes() == BODY


def test_second_address_continues_the_part_of_the_first(web: Web, environ: dict[str, str]) -> None:
    web.files["/other.pth"] = BODY
    web.behave["/good.pth"] = ["truncate", 404]
    assert get(entry(web.url("/good.pth"), web.url("/other.pth")), environ).read_bytes() == BODY
    assert web.requests[-1] == ("/other.pth", f"bytes={len(BODY) // 2}-", 206)


def test_mirror_is_tried_first(web: Web, environ: dict[str, str]) -> None:
    web.files["/mirror/toy.pth"] = BODY
    environ["CLICKWISE_WEIGHTS_URL"] = web.url("/mirror/")
    get(entry(web.url("/good.pth")), environ)
    assert [path for path, _, _ in web.requests] == ["/mirror/toy.pth"]


def test_wrong_hash_is_refused_and_leaves_nothing(web: Web, environ: dict[str, str]) -> None:
    web.files["/good.pth"] = b"PK\x03\x04" + b"evil" * 1000
    with pytest.raises(DownloadError, match="sha256"):
        get(entry(web.url("/good.pth")), environ)
    assert left_behind(environ) == set()


def test_web_page_instead_of_the_file_is_refused(web: Web, environ: dict[str, str]) -> None:
    web.behave["/good.pth"] = ["html"]
    with pytest.raises(DownloadError, match="web page"):
        get(entry(web.url("/good.pth"), sha256=None), environ)
    assert left_behind(environ) == set()


def test_wrong_size_is_refused_where_no_hash_is_known(web: Web, environ: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match=r"0\.4 MiB, expected 38\.8"):
        get(entry(web.url("/good.pth"), sha256=None, megabytes=38.8), environ)
    assert get(entry(web.url("/good.pth"), sha256=None, megabytes=0.381), environ).read_bytes() == BODY


@pytest.mark.parametrize("behaviour", ["stall", "crawl", "chop", 500, 503])
def test_bad_server_is_given_up_in_time_and_a_good_one_recovers(
    web: Web, environ: dict[str, str], behaviour: str | int
) -> None:
    item = entry(web.url("/good.pth"))
    web.behave["/good.pth"] = [behaviour] * 3
    with pytest.raises(DownloadError, match="cannot download toy-weights") as caught:
        get(item, environ)
    assert "\n" not in str(caught.value)
    assert "--from FILE" in str(caught.value)
    assert len(web.requests) == 3
    assert not (hub.cache_folder(environ) / "toy.pth").exists()
    web.behave["/good.pth"] = [behaviour]
    assert get(item, environ).read_bytes() == BODY


def test_answer_without_length_is_taken_when_the_checksum_agrees(web: Web, environ: dict[str, str]) -> None:
    web.behave["/good.pth"] = ["no-length"]
    assert get(entry(web.url("/good.pth")), environ).read_bytes() == BODY


def test_refusals_are_not_repeated(web: Web, environ: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match="404"):
        get(entry(web.url("/none.pth")), environ)
    assert len(web.requests) == 1


def test_unknown_host_and_nonsense_address_say_so(environ: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match="host not found"):
        get(entry("http://no-such-host.invalid/x.pth"), environ)
    with pytest.raises(DownloadError, match="not an address"):
        get(entry("nonsense"), environ)


def test_proxy_from_the_environment_is_used(web: Web, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.base)
    monkeypatch.setenv("no_proxy", "")
    web.files["http://weights.invalid/good.pth"] = BODY
    assert get(entry("http://weights.invalid/good.pth"), environ).read_bytes() == BODY


@pytest.mark.parametrize("name", ["CLICKWISE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_mode_sends_nothing_and_names_the_folder(web: Web, environ: dict[str, str], name: str) -> None:
    environ[name] = "1"
    with pytest.raises(DownloadError, match="offline mode") as caught:
        get(entry(web.url("/good.pth")), environ)
    assert str(hub.cache_folder(environ)) in str(caught.value)
    assert web.requests == []
    assert get(entry(web.url("/good.pth")), environ, offline=False).is_file()


def test_split_archive_gets_an_instruction(environ: dict[str, str]) -> None:
    parts = [f"https://example.org/toy.pth.7z.00{n}" for n in (1, 2)]
    with pytest.raises(DownloadError, match=r"7z x toy\.pth\.7z\.001") as caught:
        get(entry(parts=parts, licence="CC-BY-NC-4.0"), environ)
    assert all(part in str(caught.value) for part in parts)
    assert "CC-BY-NC-4.0" in str(caught.value)


def test_missing_embedded_file_asks_for_a_new_installation(environ: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match="reinstall"):
        get(entry(embedded=True), environ)


def test_two_downloads_at_once_fetch_once(web: Web, environ: dict[str, str]) -> None:
    item = entry(web.url("/good.pth"))
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(get(item, environ))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert {path.read_bytes() for path in results} == {BODY}
    assert len(web.requests) == 1


def test_full_disk_is_one_clear_error(web: Web, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(DownloadError, match="make room"):
        get(entry(web.url("/good.pth")), environ)

    def refuse(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.undo()
    monkeypatch.setattr(fetch, "_copy", refuse)
    with pytest.raises(DownloadError, match="No space left on device"):
        get(entry(web.url("/good.pth")), environ)


def test_cache_that_cannot_be_written_is_one_clear_error(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write"):
        get(entry(web.url("/good.pth")), {"XDG_CACHE_HOME": str(tmp_path / "file")})


def test_own_folder_comes_before_package_and_cache(web: Web, environ: dict[str, str], tmp_path: Path) -> None:
    item = entry(web.url("/good.pth"))
    get(item, environ)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "toy.safetensors").write_bytes(b"converted")
    environ["CLICKWISE_MODEL_DIR"] = str(tmp_path / "own")
    assert hub.find_local(item, environ) == tmp_path / "own" / "toy.safetensors"


def test_file_got_elsewhere_is_checked_and_copied(environ: dict[str, str], tmp_path: Path) -> None:
    mine = tmp_path / "downloads" / "renamed by browser (1).pth"
    mine.parent.mkdir()
    mine.write_bytes(BODY)
    item = entry(parts=["https://example.org/toy.pth.7z.001"])
    assert hub.adopt(item, mine, environ) == hub.find_local(item, environ)
    mine.write_bytes(BODY[:-1])
    with pytest.raises(DownloadError, match="sha256"):
        hub.adopt(item, mine, environ)
    with pytest.raises(DownloadError, match="not a file"):
        hub.adopt(item, tmp_path / "missing.pth", environ)
    assert {p.name for p in hub.cache_folder(environ).iterdir()} == {"toy.pth"}
    assert (hub.cache_folder(environ) / "toy.pth").read_bytes() == BODY, "a bad file leaves the good one"


def test_weights_that_only_a_browser_can_fetch(web: Web, environ: dict[str, str]) -> None:
    item = entry(page="https://example.org/folder", sha256=None)
    with pytest.raises(DownloadError, match=r"toy\.pth from https://example\.org/folder in a browser.*--from toy\.pth"):
        get(item, environ)
    web.files["/mirror/toy.pth"] = BODY
    found = get(item, {**environ, "CLICKWISE_WEIGHTS_URL": web.url("/mirror/")})
    assert found.read_bytes() == BODY


def test_an_archive_is_no_file_of_weights(environ: dict[str, str], tmp_path: Path) -> None:
    part = tmp_path / "toy.pth.7z.001"
    part.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    with pytest.raises(DownloadError, match=r"7z archive or its first part; unpack it with `7z x toy\.pth\.7z\.001`"):
        hub.adopt(entry(sha256=None, parts=["https://example.org/toy.pth.7z.001"]), part, environ)
