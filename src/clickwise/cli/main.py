"""The command ``clickwise``: which sub-commands there are, and how every failure becomes one line and an exit code.

A new command is one file, ``cli/<name>.py`` with a typer function of that name, and one line in `COMMANDS`. The file is
imported only when its command is asked for, so that ``clickwise --help`` stays instant. A group of commands
(``clickwise data``) is a package with a `typer.Typer` of that name instead.

Exit codes: 0 done, 1 a fault in clickwise itself, 2 bad input or a machine that refuses (disk full, no permission), 130
after Ctrl-C. Set ``CLICKWISE_DEBUG=1`` for tracebacks.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from clickwise.errors import ClickwiseError, MissingExtraError, OptionError

COMMANDS = {
    "segment": "A mask of the object you click on.",
    "annotate": "The annotator in the browser.",
    "evaluate": "NoC tables: how many clicks a model needs on a data set.",
    "robustness": "What hard conditions cost a model, and which objects go worst.",
    "train": "Train a model from a recipe.",
    "data": "Data sets on this machine: build, check, pack and look at them.",
    "export-labels": "Labels of any readable format into another: COCO, LabelMe, YOLO, VOC, PNG masks.",
    "import-labels": "Labels of any readable format into a project of the annotator.",
    "models": "Architectures and weights: size, licence, published NoC.",
    "download": "Fetch published weights into the cache.",
    "convert": "Turn a published .pth file into our own format.",
    "benchmark": "Milliseconds per click by stage, against plain eager fp32.",
    "doctor": "What is installed, which device and engine will be used, one self-test.",
}
"""Sub-command -> what it does in one line."""

EXTRAS = {
    "lightning_fabric": ("lightning-fabric", "train"),
    "tensorboard": ("tensorboard", "train"),
    "matplotlib": ("matplotlib", "plots"),
    "pycocotools": ("pycocotools", "data"),
    "shapely": ("shapely", "data"),
    "sqlalchemy": ("sqlalchemy", "annotate"),
    "fastapi": ("fastapi", "annotate"),
    "starlette": ("fastapi", "annotate"),
    "uvicorn": ("uvicorn", "annotate"),
    "websockets": ("websockets", "annotate"),
    "httpx": ("httpx", "annotate"),
}
"""Import name of an optional dependency -> (package, extra)."""

DONE, FAULT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def _load(name: str) -> Any:
    """The real command or group behind a name: imports ``clickwise.cli.<name>``, with ``_`` for ``-``."""
    own = name.replace("-", "_")
    found = getattr(import_module(f"clickwise.cli.{own}"), own)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


class _LazyGroup(TyperGroup):
    """Knows its commands by name and summary; imports one only when it is about to run (or to print its help)."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the stand-in that carries the summary by the real command."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            return name, _load(name), rest
        return name, stand_in, rest


def _print_version(wanted: bool) -> None:
    if wanted:
        from clickwise import __version__

        typer.echo(f"clickwise {__version__}")
        raise typer.Exit


def _stand_in() -> None:
    """Never called: `_LazyGroup` swaps it for the real command."""


def _root(
    ctx: typer.Context,
    version: bool = typer.Option(
        False, "--version", help="Print the version and leave.", callback=_print_version, is_eager=True
    ),
) -> None:
    """A few clicks on a picture become a precise mask of the object."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def build_app() -> typer.Typer:
    """The whole command line, without importing any command."""
    app = typer.Typer(
        name="clickwise", cls=_LazyGroup, pretty_exceptions_enable=False, context_settings={"max_content_width": 100}
    )
    app.callback(invoke_without_command=True)(_root)
    for name, summary in COMMANDS.items():
        app.command(name, help=summary)(_stand_in)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. ``arguments`` default to those of the process."""
    debug = bool(os.environ.get("CLICKWISE_DEBUG"))
    _quieten(debug)
    try:
        _stop_cleanly_on_terminate()
        command = typer.main.get_command(build_app())
        code = command.main(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name="clickwise", standalone_mode=False
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return DONE
    except Exception as error:
        if debug:
            raise
        code, message = explain(error)
        print(f"error: {one_line(message)}", file=sys.stderr)
        if isinstance(error, OSError):
            _forget_stdout()
        return code


def explain(error: Exception) -> tuple[int, str]:
    """Exit code and message for an exception that reached the top."""
    if isinstance(error, ClickwiseError):
        return BAD_INPUT, str(error)
    usage = getattr(error, "format_message", None)  # typer's own errors; their class moved between its versions
    if usage is not None:
        return BAD_INPUT, f"{_usage_text(error, usage())} (`{_command_path(error)} --help` lists the options)"
    if isinstance(error, ModuleNotFoundError):
        return _explain_missing(error)
    if isinstance(error, OSError):
        return BAD_INPUT, _os_error_text(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return BAD_INPUT, f"out of memory: {error or 'the computer has no more'}; try a smaller image, model or batch"
    return FAULT, (
        f"unexpected {type(error).__name__}: {error}; this is a fault in clickwise, "
        "run again with CLICKWISE_DEBUG=1 to see where and report it"
    )


def one_line(message: str) -> str:
    """The message on a single line, without control characters: lines are joined by spaces."""
    joined = " ".join(message.split())
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in joined)


def _usage_text(error: Exception, text: str) -> str:
    """What is wrong with the arguments, starting in lower case like all our messages."""
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _command_path(error: Exception) -> str:
    """The command whose arguments were wrong, as typed."""
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context is not None else "clickwise"


def _explain_missing(error: ModuleNotFoundError) -> tuple[int, str]:
    root = (error.name or "").partition(".")[0]
    if root in EXTRAS:
        package, extra = EXTRAS[root]
        return BAD_INPUT, str(MissingExtraError(package, extra, "this command"))
    if root == "clickwise":
        return BAD_INPUT, str(OptionError(f"this installation lacks the module {error.name}; reinstall clickwise"))
    return BAD_INPUT, f"the package {root!r} is not installed; install it with: pip install {root}"


def _os_error_text(error: OSError) -> str:
    """Reason and file, e.g. ``No space left on device: out.png``."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{reason}: {error.filename}" if error.filename is not None else reason


def _quieten(debug: bool) -> None:
    """Keep stderr for our one line: no library warnings there, and no failure to print an odd file name."""
    if not debug:
        warnings.simplefilter("ignore")
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _stop_cleanly_on_terminate() -> None:
    """Let SIGTERM unwind like Ctrl-C, so that temporary files are removed on the way."""

    def stop(signal_number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + signal_number)

    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        try:
            signal.signal(signal.SIGTERM, stop)
        except ValueError:  # not in the main thread: somebody else's program, somebody else's signals
            return


def _forget_stdout() -> None:
    """Nobody reads, or nothing can be written: keep Python from failing once more when it flushes at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
