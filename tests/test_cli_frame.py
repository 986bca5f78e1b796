"""The command line's frame: one line per failure, the promised exit codes, nothing heavy before a command runs."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import pytest
import typer

from clickwise import errors
from clickwise.cli import main as frame

Fake = Callable[..., None]


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def with_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fake], None]:
    """Adds a command `toy`, as a newcomer would: one module and one line."""

    def add(function: Fake) -> None:
        module = ModuleType("clickwise.cli.toy")
        module.toy = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "clickwise.cli.toy", module)
        monkeypatch.setitem(frame.COMMANDS, "toy", "A toy.")

    return add


def one_error_line(text: str) -> str:
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    assert text.startswith("error: ")
    return text[len("error: ") : -1]


def raising(error: BaseException) -> Fake:
    def toy() -> None:
        raise error

    return toy


@pytest.mark.parametrize("name", sorted(frame.COMMANDS))
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = name.replace("-", "_")
    function = getattr(import_module(f"clickwise.cli.{own}"), own)
    assert function.__doc__
    assert frame.main([name, "--help"]) == 0
    assert name in capsys.readouterr().out


def test_help_lists_every_command_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], []):
        assert frame.main(arguments) == 0
        listed = capsys.readouterr().out
        assert all(f" {name} " in listed for name in frame.COMMANDS)
    code = (
        "import sys; from clickwise.cli.main import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name for name in ("torch", "cv2", "numpy", "scipy", "pydantic") if f"'{name}'" in done.stderr}
    assert "clickwise.cli.segment" not in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("clickwise 0.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["segmentt"], "no such command 'segmentt'"),
        (["--nonsense"], "--nonsense"),
        (["toy"], "missing argument"),
        (["toy", "1", "2"], "unexpected extra argument"),
        (["toy", "one"], "'number'"),
        (["toy", "1", "--level"], "requires an argument"),
        (["toy", "1", "--level", "9"], "'--level': input should be less"),
        (["toy", "1", "--lev", "2"], "--level"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(
    arguments: list[str], expected: str, with_command: Callable[[Fake], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def toy(number: int, level: int = typer.Option(1, max=3)) -> None:
        pass

    with_command(toy)
    assert frame.main(arguments) == 2
    captured = capsys.readouterr()
    assert expected.lower() in one_error_line(captured.err).lower()
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (errors.ImageError("got a, expected b\n  do c\x1b[31m"), 2, "got a, expected b do c\\x1b[31m"),
        (errors.MissingExtraError("matplotlib", "plots", "--plots"), 2, 'pip install "clickwise[plots]"'),
        (ModuleNotFoundError("No module named 'lightning_fabric'", name="lightning_fabric"), 2, "clickwise[train]"),
        (ModuleNotFoundError("No module named 'yaml'", name="yaml"), 2, "pip install yaml"),
        (OSError(errno.ENOSPC, "No space left on device", "out.png"), 2, "No space left on device: out.png"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "Permission denied: x"),
        (MemoryError(), 2, "out of memory"),
        (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError: division by zero; this is a fault"),
    ],
)
def test_failures_are_one_line(
    error: Exception,
    code: int,
    expected: str,
    with_command: Callable[[Fake], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_command(raising(error))
    assert frame.main(["toy"]) == code
    assert expected in one_error_line(capsys.readouterr().err)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_interrupt_is_130(error: BaseException, with_command: Callable[[Fake], None]) -> None:
    with_command(raising(error))
    assert frame.main(["toy"]) == 130


def test_exit_code_of_a_command_is_kept(with_command: Callable[[Fake], None]) -> None:
    with_command(raising(typer.Exit(3)))
    assert frame.main(["toy"]) == 3


def test_debug_shows_the_traceback(with_command: Callable[[Fake], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKWISE_DEBUG", "1")
    with_command(raising(errors.ImageError("bad")))
    with pytest.raises(errors.ImageError):
        frame.main(["toy"])


TOY = """
import sys, types, time, warnings
from clickwise.cli import main as frame
def toy():
    {body}
module = types.ModuleType("clickwise.cli.toy"); module.toy = toy
sys.modules["clickwise.cli.toy"] = module; frame.COMMANDS["toy"] = "A toy."
sys.exit(frame.main(["toy"]))
"""


def start(body: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TOY.format(body=body)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_unwinds_quietly(sent: signal.Signals, code: int) -> None:
    body = "\n    ".join(["try:", "    print('ready', flush=True); time.sleep(30)", "finally:", "    print('tidied')"])
    process = start(body, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out, err) == (code, "tidied\n", "")


def test_warnings_of_libraries_stay_silent() -> None:
    process = start("warnings.warn('old', FutureWarning)", stdout=subprocess.PIPE)
    assert process.communicate(timeout=200)[1] == ""


def test_full_standard_output_is_one_line() -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = start("print('x' * 100_000)", stdout=full)
        err = process.communicate(timeout=200)[1]
    assert process.returncode == 2
    assert "No space left" in one_error_line(err)


def test_reader_that_leaves_early_is_no_error() -> None:
    process = start("print('x\\n' * 1_000_000)", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=200) in (0, 1)


def test_odd_file_names_can_be_printed_anywhere() -> None:
    process = start(
        "print('caf\\u00e9 \\udcff')", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    out, err = process.communicate(timeout=200)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("caf\\xe9")


def test_python_m_clickwise_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "clickwise", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such command" in one_error_line(done.stderr)


def test_models_lists_weights_with_licence_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert frame.main(["models", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    by_name = {row["name"]: row for row in report["weights"]}
    assert by_name["ritm-hrnet18-cocolvis"]["licence"] == "MIT"
    assert by_name["ritm-hrnet18-cocolvis"]["published"]["GrabCut"] == {"0.85": 1.42, "0.90": 1.54}
    architectures = {row["name"]: row for row in report["architectures"]}
    assert architectures["ritm-hrnet18s"]["parameters"] == 4_220_047
    assert architectures["ritm-hrnet18s"]["weights_licence"] == "MIT"
    assert all(row["multiply_adds"] > 1e9 and row["parameters"] > 1e6 for row in architectures.values())
    assert list(architectures["simpleclick-vit-b"]["published"]) == ["COCO+LVIS", "SBD"]
    assert architectures["icmformer-vit-b"]["published"]["SBD"]["DAVIS"] == {"0.85": 4.05, "0.90": 5.58}
    assert architectures["icmformer-vit-b"]["weights_licence"] is None
    assert by_name["cfr-icl-vit-h-cocolvis"]["by_hand"]


def test_models_prints_every_architecture_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if "cfr-icl-vit-h " in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        *("cfr-icl-vit-h", "660.71 M", "697.1 G at 448x448", "", "1.46", "", "4.24", "COCO+LVIS", "CC-BY-NC-4.0"),
        "CFR-ICL, arXiv 2303.05620",
    ]
    (row,) = [line for line in lines if "iglr-segformer-b0 " in line]
    assert "none published" in row


def test_models_counts_multiply_adds_of_ritm() -> None:
    """The reference measures 8.85 G for HRNet-18s with the inert OCR branches (ours skips them), 61.07 G for ResNet."""
    from clickwise.models.complexity import multiply_adds, shape_only

    for name, published in (("ritm-hrnet18s", 8.85e9), ("ritm-resnet34", 61.07e9)):
        counted = multiply_adds(shape_only(name), (400, 400))
        assert counted is not None
        assert counted == pytest.approx(published, rel=0.03)


def test_download_of_unknown_weights_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["download", "coco_lvis_h18_iter"]) == 2
    assert "coco_lvis_h18_itermask" in one_error_line(capsys.readouterr().err)


def test_download_offline_says_where_to_put_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["download", "sbd_h18_itermask", "--offline"]) == 2
    captured = capsys.readouterr()
    assert "sbd_h18_itermask.pth" in one_error_line(captured.err)
    assert captured.out == "", "no licence is shown for what cannot be fetched"


def test_start_of_the_command_takes_a_blink() -> None:
    """The promise is half a second for --help; counted in processor time, so that a busy machine does not matter."""
    resource = pytest.importorskip("resource", reason="counts processor time on POSIX systems only")

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(usage.ru_utime + usage.ru_stime)

    before = used()
    subprocess.run([sys.executable, "-m", "clickwise", "--help"], capture_output=True, check=True)
    assert used() - before < 1.5
