"""One client's commands: done in order on each picture, answered once, found again after a lost connection.

A client's clicks on one object that the network has not begun yet go to it together. Everything here runs on the event
loop; what blocks is handed to threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from clickwise.annotate.decoded import Picture
from clickwise.annotate.deltas import delta_json, deltas_json, patch
from clickwise.annotate.networks import Network
from clickwise.annotate.protocol import (
    AnyCommand,
    Asking,
    Busy,
    Command,
    DoClick,
    DoThreshold,
    Drawing,
    Error,
    Message,
    Preview,
    Result,
    Superseded,
    Timing,
)
from clickwise.annotate.server.errors import explained, refused
from clickwise.annotate.server.services import Services
from clickwise.annotate.session import Session, touched_object
from clickwise.annotate.store import Recorded
from clickwise.errors import InputError

T = TypeVar("T")
_ANSWERS_KEPT = 64
"""The store knows all others by their ids."""
_IDS_KEPT = 20_000
_MOST_WAITING = 200
"""Commands of one client on one picture that wait; more is a runaway client."""
_BUSY_AFTER = 0.1
_LOOK_EVERY = 0.5


class DroppedError(Exception):
    """A job was taken back before it began. Not the event loop's own cancelling: that would end the bench."""


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


@dataclass
class Job:
    """Commands that are done as one. Others may join until `claim`; `drop` works until then too."""

    commands: list[AnyCommand]
    began: float = field(default_factory=time.perf_counter)
    waits_for: Literal["queue", "model", "picture"] = "queue"
    _claimed: bool = False
    _dropped: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def last(self) -> AnyCommand:
        """The command under whose id the result is stored."""
        return self.commands[-1]

    @property
    def is_waiting(self) -> bool:
        """Whether it neither began nor was dropped."""
        return not (self._claimed or self._dropped)

    def claim(self) -> list[AnyCommand]:
        """Begin: nobody can join or drop it now. Called in the network's thread."""
        with self._guard:
            if self._dropped:
                raise DroppedError
            self._claimed = True
            return list(self.commands)

    def join(self, command: AnyCommand) -> bool:
        """Take one more command in; False when it is too late or they do not go together."""
        with self._guard:
            if self._claimed or self._dropped or not _go_together(self.commands, command):
                return False
            if isinstance(command, DoThreshold):
                self.commands.clear()
            self.commands.append(command)
            return True

    def drop(self) -> bool:
        """Do not do it; False when it has begun."""
        with self._guard:
            if self._claimed:
                return False
            self._dropped = True
            return True


def _go_together(waiting: Sequence[AnyCommand], new: AnyCommand) -> bool:
    last = waiting[-1]
    if isinstance(last, DoThreshold) and isinstance(new, DoThreshold):
        return not last.commit and last.object_id == new.object_id and last.model == new.model
    if not (isinstance(last, DoClick) and isinstance(new, DoClick)):
        return False
    first = waiting[0]
    assert isinstance(first, DoClick)
    same_object = (new.object_id is not None and new.object_id == first.object_id) or (
        new.object_id is None and new.object_of is not None and new.object_of in [item.id for item in waiting]
    )
    return same_object and (last.model, last.threshold, last.cut_others) == (new.model, new.threshold, new.cut_others)


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


class Bench:
    """A client's commands on one picture, in order."""

    def __init__(self, desk: Desk, image_id: str) -> None:
        self.desk, self.image_id = desk, image_id
        self.services = desk.services
        self.task: asyncio.Task[None] | None = None
        self._queue: deque[Job] = deque()
        self._now: Job | None = None

    @property
    def _session(self) -> Session:
        return Session(self.services.store, self.services.states, self.image_id, self.desk.user, self.desk.own)

    def add(self, command: AnyCommand) -> None:
        """Queue a command, or have it join the one before."""
        before = self._queue[-1] if self._queue else self._now
        if before is not None:
            replaced = before.last
            if before.join(command):
                self.desk.answer(replaced.id, Superseded(id=replaced.id, by=command.id))
                return
        if len(self._queue) >= _MOST_WAITING:
            self.desk.refuse(command, refused("busy", f"{_MOST_WAITING} commands wait already; wait for some of them"))
            return
        job = Job([command])
        self._queue.append(job)
        asyncio.get_running_loop().call_later(_BUSY_AFTER, self._tell_busy, job)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())

    def cancel(self, command_id: str) -> None:
        """Drop the job of this command if it has not begun."""
        for job in [*self._queue, *([self._now] if self._now else [])]:
            if any(command.id == command_id for command in job.commands):
                self._drop(job, "it was taken back before it began")

    def drop_clicks(self, why: str) -> None:
        """Drop what waits for a network."""
        for job in [*self._queue, *([self._now] if self._now else [])]:
            if isinstance(job.last, (Asking, DoThreshold)):
                self._drop(job, why)

    def drop_all(self, why: str) -> None:
        """Drop everything that has not begun."""
        for job in [*self._queue, *([self._now] if self._now else [])]:
            self._drop(job, why)

    def _drop(self, job: Job, why: str) -> None:
        if not job.drop():
            return
        if job in self._queue:
            self._queue.remove(job)
        self.desk.refuse(job.last, refused("cancelled", f"the {job.last.type} was not done: {why}"))

    def _tell_busy(self, job: Job) -> None:
        if job.is_waiting:
            self.desk.note(Busy(id=job.last.id, image_id=self.image_id, reason=job.waits_for))

    async def _work(self) -> None:
        while self._queue:
            self._now = job = self._queue.popleft()
            try:
                await self._do(job)
            except DroppedError:
                pass  # and said so
            except Exception as error:
                self.desk.refuse(job.last, error)
            finally:
                self._now = None
        self.desk.bench_is_empty(self.image_id)

    async def _do(self, job: Job) -> None:
        first = job.commands[0]
        if isinstance(first, Asking):
            await self._ask(job, first)
        elif isinstance(first, DoThreshold):
            await self._threshold(job)
        else:
            command = job.claim()[0]
            object_id = await self.desk.object_of(command)
            begin = time.perf_counter()
            recorded, messages = await self.services.blocking(
                self._stored, lambda: self._session.perform(command, object_id), command
            )
            spent = 1000 * (time.perf_counter() - begin)
            self._announce(command, recorded, messages, object_id, Timing(store=spent, total=_since(job.began)))

    # ------------------------------------------------------------------------------------------ with a network

    async def _ask(self, job: Job, first: Asking) -> None:
        network = self.services.networks.get(first.model)
        object_id = await self.desk.object_of(first)
        begin = time.perf_counter()
        picture = await self._picture(job)
        decoded = time.perf_counter()

        def work(engine: Any) -> Any:
            commands = job.claim()
            started = time.perf_counter()
            answer = self._session.ask(engine, picture, network.name, commands, object_id)  # type: ignore[arg-type]
            return commands, answer, started, time.perf_counter()

        commands, answer, started, ended = await self._in_turn(job, network, work)
        recorded, messages = await self.services.blocking(
            self._stored, lambda: self._session.record_clicks(commands, object_id, answer), commands[-1]
        )
        now = time.perf_counter()
        timing = Timing(
            wait=1000 * (begin - job.began + started - decoded),
            decode=1000 * (decoded - begin),
            network=1000 * (ended - started),
            store=1000 * (now - ended),
            total=1000 * (now - job.began),
        )
        made = touched_object(recorded, object_id)
        for command in commands[:-1]:
            self.desk.object_is(command.id, made)
        self._announce(commands[-1], recorded, messages, object_id, timing)

    async def _threshold(self, job: Job) -> None:
        (command,) = job.claim()
        assert isinstance(command, DoThreshold)
        network = self.services.networks.get(command.model)
        begin = time.perf_counter()
        try:
            await self.services.blocking(self._session.threshold, command, network.name)
        except KeyError:
            picture = await self._picture(job)
            await self._in_turn(
                job, network, lambda engine: self._session.replay(engine, picture, network.name, command.object_id)
            )
        if command.commit:
            recorded, messages = await self.services.blocking(
                self._stored, lambda: self._session.record_threshold(command, network.name), command
            )
            timing = Timing(store=_since(begin), total=_since(job.began))
            self._announce(command, recorded, messages, command.object_id, timing)
            return

        def preview() -> Preview:
            item, mask = self._session.threshold(command, network.name)
            return Preview(
                id=command.id,
                image_id=self.image_id,
                object_id=item.object_id,
                mask=patch(item.mask, mask),
                area=mask.area,
                timing=Timing(network=_since(begin), total=_since(job.began)),
            )

        self.desk.answer(command.id, await self.services.blocking(preview), command.object_id)

    async def _picture(self, job: Job) -> Picture:
        job.waits_for = "picture"
        picture = await self.services.picture(self.image_id)
        job.waits_for = "queue"
        return picture

    async def _in_turn(self, job: Job, network: Network, work: Callable[[Any], T]) -> T:
        """Run in the network's thread. After too long it is dropped, or goes on if it began; its user is told."""
        future = asyncio.wrap_future(network.run(work))
        future.add_done_callback(_look)
        limit, waited, told = self.services.settings.request_seconds, 0.0, False
        while not future.done():
            begin, is_loading = time.perf_counter(), network.state != "ready"
            job.waits_for = "model" if is_loading else "queue"
            await asyncio.wait([future], timeout=min(_LOOK_EVERY, limit))
            if not is_loading:  # loading is no fault of the click: it waits as long as that takes
                waited += time.perf_counter() - begin
            if waited > limit and not told and not future.done():
                told = True
                late = f"it takes longer than {limit:g} s"
                if job.drop():
                    raise refused("timeout", f"the {job.last.type} was not begun: {late}; nothing changed, try again")
                text = f"{late}; it goes on, and its result will be shown when it is there"
                self.desk.note(Error(id=job.last.id, code="timeout", message=text, image_id=self.image_id))
        return await future

    # ------------------------------------------------------------------------------------------ stored

    def _stored(
        self, store_it: Callable[[], Recorded], command: AnyCommand
    ) -> tuple[Recorded, tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
        """Store something and make the messages about it; blocks."""
        recorded = store_it()
        news = deltas_json(tuple(e for e in recorded.news if e is not recorded.event), recorded.document)
        if recorded.event is None:
            return recorded, (None, news)
        is_newest = recorded.event.version == recorded.document.version
        return recorded, (
            delta_json(recorded.event, self.image_id, recorded.document if is_newest else None),
            news,
        )

    def _announce(
        self,
        command: AnyCommand,
        recorded: Recorded,
        messages: tuple[dict[str, Any] | None, list[dict[str, Any]]],
        object_id: int | None,
        timing: Timing,
    ) -> None:
        delta, news = messages
        made = touched_object(recorded, object_id)
        result = Result(
            id=command.id,
            image_id=self.image_id,
            version=recorded.document.version,
            delta=delta,
            news=news,
            object_id=made,
            timing=timing,
        )
        self.desk.answer(command.id, result, made)
        if recorded.event is not None and delta is not None:
            self.services.live.stored(self.image_id, recorded.event, delta, self.desk)


def _keep(where: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    where[key] = value
    where.move_to_end(key)
    while len(where) > most:
        where.popitem(last=False)


def _since(begin: float) -> float:
    return 1000 * (time.perf_counter() - begin)


def _look(future: asyncio.Future[Any]) -> None:
    """An exception of work that nobody waits for any more is no news."""
    if not future.cancelled():
        future.exception()
