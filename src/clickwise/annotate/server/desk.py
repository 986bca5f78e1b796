"""One client: what it asked for, what was answered, and how it is found again after a lost connection."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from clickwise.annotate.protocol import AnyCommand, Command, Drawing, Error, Message
from clickwise.annotate.server.bench import Bench
from clickwise.annotate.server.errors import explained
from clickwise.annotate.server.services import Services
from clickwise.errors import InputError

T = TypeVar("T")
_ANSWERS_KEPT = 64
"""The store knows all others by their ids."""
_IDS_KEPT = 20_000


class Ids(Collection[str]):
    """The newest ids of a client, to know its own events by."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> None:
        """Remember one more; the oldest gives way."""
        self._ids[name] = None
        if len(self._ids) > _IDS_KEPT:
            self._ids.popitem(last=False)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __iter__(self) -> Any:
        return iter(tuple(self._ids))

    def __len__(self) -> int:
        return len(self._ids)


class Desk:
    """A client and what it asked for.

    send: where its messages go at the moment; None while its connection is lost (answers are kept).
    """

    def __init__(self, services: Services, client: str, user: str) -> None:
        self.services, self.client, self.user = services, client, user
        self.send: Callable[[Message], None] | None = None
        self.open_image: str | None = None
        self.left_at = time.monotonic()
        self.own = Ids()
        self._answers: OrderedDict[str, Message] = OrderedDict()
        self._objects: OrderedDict[str, int | None] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._benches: dict[str, Bench] = {}

    # ------------------------------------------------------------------------------------------ commands

    @property
    def known(self) -> list[str]:
        """Ids that are answered or on their way."""
        return [*self._answers, *self._waiting]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._waiting

    def submit(self, command: AnyCommand) -> asyncio.Future[Message]:
        """Take a command in. The answer goes to `send` and into the future, also when it was given before."""
        answer = self._answers.get(command.id)
        if answer is not None:
            future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            future.set_result(answer)
            self._tell(answer)
            return future
        if command.id in self._waiting:
            return self._waiting[command.id]
        self._waiting[command.id] = future = asyncio.get_running_loop().create_future()
        self.own.add(command.id)
        bench = self._benches.get(command.image_id)
        if bench is None:
            bench = self._benches[command.image_id] = Bench(self, command.image_id)
        bench.add(command)
        return future

    def cancel(self, command_id: str) -> None:
        """Drop a command that has not begun."""
        for bench in self._benches.values():
            bench.cancel(command_id)

    def leave(self, image_id: str) -> None:
        """The user went to another picture: clicks there that have not begun are dropped."""
        if image_id in self._benches:
            self._benches[image_id].drop_clicks("another picture was opened")

    async def finish(self, seconds: float) -> None:
        """Drop what has not begun and wait, not for ever, for what has."""
        for bench in self._benches.values():
            bench.drop_all("the server stops")
        tasks = [bench.task for bench in self._benches.values() if bench.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def bench_is_empty(self, image_id: str) -> None:
        """A bench has nothing left to do."""
        self._benches.pop(image_id, None)

    # ------------------------------------------------------------------------------------------ answers

    def answer(self, command_id: str, message: Message, object_id: int | None = None) -> None:
        """The one answer to a command."""
        _keep(self._answers, command_id, message, _ANSWERS_KEPT)
        _keep(self._objects, command_id, object_id, _IDS_KEPT)
        self._tell(message)
        future = self._waiting.pop(command_id, None)
        if future is not None and not future.done():
            future.set_result(message)

    def note(self, message: Message) -> None:
        """Something by the way."""
        self._tell(message)

    def refuse(self, command: AnyCommand, error: BaseException, version: int | None = None) -> None:
        """Answer a command with an error; what was there before is kept."""
        code, text = explained(error)
        self.answer(
            command.id, Error(id=command.id, code=code, message=text, image_id=command.image_id, version=version)
        )

    async def object_of(self, command: Command) -> int | None:
        """The object that a drawing command means. InputError when it names a command that made none."""
        if not isinstance(command, Drawing) or command.object_id is not None or command.object_of is None:
            return getattr(command, "object_id", None)
        name = command.object_of
        if name not in self._objects:  # before a restart of the server
            event = await self.services.blocking(self.services.store.event_named, command.image_id, name)
            made = event.change.created if event is not None else ()
            _keep(self._objects, name, made[-1] if made else None, _IDS_KEPT)
        found = self._objects[name]
        if found is None:
            raise InputError(f"command {name} made no object, so nothing can be added to it; click again")
        return found

    def object_is(self, command_id: str, object_id: int | None) -> None:
        """Which object a command that went along with another one is about."""
        _keep(self._objects, command_id, object_id, _IDS_KEPT)

    def _tell(self, message: Message) -> None:
        if self.send is not None:
            self.send(message)


def _keep(where: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > most:
        where.popitem(last=False)
