"""The networks that users can choose from: each has one worker thread, is loaded in the background and warmed up.

Nothing here imports torch before a network is asked for, so that a server answers at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from clickwise.annotate.protocol import ModelShape
from clickwise.errors import ClickwiseError, ModelError, OptionError
from clickwise.weights import hub, zoo

if TYPE_CHECKING:
    from clickwise.engines.base import Engine
    from clickwise.models.interface import InteractiveModel

T = TypeVar("T")
State = Literal["idle", "loading", "ready", "failed"]
Opener = Callable[[], Any]
"""Makes a module or an engine; may take long and may raise."""
_WARM_UP_SIDE = 256
"""Pixels of the grey picture that is clicked once before users do: first calls pay for memory and code."""


class Network:
    """One network with the one thread that runs it. Every method may be called from any thread.

    name: what clients ask for; title: what people read. on_change: called, from any thread, when the state changes.
    """

    def __init__(
        self, name: str, open_it: Opener, title: str = "", on_change: Callable[[Network], None] | None = None
    ) -> None:
        self.name, self.title = name, title or name
        self.state: State = "idle"
        self.message = ""
        self.default_threshold: float | None = None
        self.on_change = on_change
        self._open, self._engine = open_it, None
        self._guard = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"network-{name}")

    def shape(self) -> ModelShape:
        """What clients see of it."""
        return ModelShape(
            name=self.name,
            title=self.title,
            state=self.state,
            message=self.message,
            default_threshold=self.default_threshold,
        )

    def load(self) -> None:
        """Begin loading unless that is done or under way. A failed one is tried again."""
        with self._guard:
            if self.state in ("loading", "ready"):
                return
            self.state, self.message = "loading", ""
            self._worker.submit(self._load)
        self._tell()

    def run(self, work: Callable[[Engine], T]) -> Future[T]:
        """Do something with the engine in the network's thread, after loading and all that came before.

        The future raises ModelError when the network cannot be loaded.
        """
        self.load()
        return self._worker.submit(lambda: work(self._need()))

    def close(self) -> None:
        """Drop what has not begun, wait for what has."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _need(self) -> Engine:
        if self._engine is None:
            raise ModelError(f"model {self.name} is not ready: {self.message}; choose another or try again")
        engine: Engine = self._engine
        return engine

    def _load(self) -> None:
        begin = time.perf_counter()
        try:
            engine, threshold = _opened(self._open)
        except Exception as error:  # whatever happens, users are told and the server goes on
            text = str(error) if isinstance(error, ClickwiseError) else f"{type(error).__name__}: {error}"
            self._become("failed", " ".join(text.split()))
            return
        self._engine, self.default_threshold = engine, threshold  # type: ignore[assignment]
        self._become("ready", f"loaded in {time.perf_counter() - begin:.1f} s")

    def _become(self, state: State, message: str) -> None:
        with self._guard:
            self.state, self.message = state, message
        self._tell()

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change(self)


def _opened(open_it: Opener) -> tuple[Engine, float]:
    """An engine after one click on nothing, and the threshold of its chain."""
    import numpy as np

    from clickwise.inference.predictor import Predictor

    predictor = Predictor(open_it())
    predictor.set_image(np.full((_WARM_UP_SIDE, _WARM_UP_SIDE, 3), 128, np.uint8))
    predictor.click(_WARM_UP_SIDE / 2, _WARM_UP_SIDE / 2)
    return predictor.engine, predictor.options.threshold


class Networks:
    """All networks of a server, the default one first.

    openers: name -> what makes it. titles: name -> what people read.
    """

    def __init__(self, openers: Mapping[str, Opener], titles: Mapping[str, str] | None = None) -> None:
        if not openers:
            raise OptionError("no model is offered; name at least one with --model")
        known = titles or {}
        self._networks = {name: Network(name, opener, known.get(name, "")) for name, opener in openers.items()}

    @classmethod
    def named(cls, models: list[str], device: str = "auto") -> Networks:
        """Networks by names of weights or paths of files; ``device`` as everywhere. Checked when they are loaded."""
        openers: dict[str, Opener] = {}
        titles = {}
        for model in models:
            name = _short_name(model, openers)
            openers[name] = _opener(model, device)
            titles[name] = Path(model).name
        return cls(openers, titles)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._networks.values())

    @property
    def default(self) -> Network:
        """The one that is used when a client names none."""
        return next(iter(self._networks.values()))

    def get(self, name: str | None) -> Network:
        """The network of that name, None = the default. ModelError when there is none."""
        if name is None:
            return self.default
        if name not in self._networks:
            raise ModelError(f"model {name!r} is not offered here; expected one of {', '.join(self._networks)}")
        return self._networks[name]

    def tell(self, on_change: Callable[[Network], None]) -> None:
        """Have every change of state told, from any thread."""
        for network in self._networks.values():
            network.on_change = on_change

    def close(self) -> None:
        """Let all threads end."""
        for network in self._networks.values():
            network.close()


def check_models(models: Iterable[str]) -> None:
    """Whether these weights are on this machine; quick and without torch when they are.

    Raises what `load_model` would raise: UnknownModelError, WeightsMissingError naming the command that fetches them.
    """
    for model in models:
        entry = zoo.find(model)
        if (entry is not None and hub.find_local(entry) is not None) or Path(model).is_file():
            continue
        from clickwise.inference.factory import WITHOUT_LEARNING
        from clickwise.weights.load import load_model

        if model not in WITHOUT_LEARNING:
            load_model(model)


def _short_name(model: str, taken: Mapping[str, Any]) -> str:
    """Names of weights stay; of a path only the last part is for clients to see, with a number if it is taken."""
    name = Path(model).stem if model.endswith((".safetensors", ".pth", ".pt")) else Path(model).name
    free = name
    number = 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _opener(model: str, device: str) -> Opener:
    def open_it() -> InteractiveModel | Engine:
        from clickwise.engines.torch import resolve_device
        from clickwise.inference.factory import open_model

        return open_model(model, device=resolve_device(device))

    return open_it
