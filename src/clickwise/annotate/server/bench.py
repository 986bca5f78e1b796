"""One client's commands on one picture, done in order and answered once.

Clicks on one object that the network has not begun yet go to it together. Everything here runs on the event loop; what
blocks is handed to threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from clickwise.annotate.decoded import Picture
from clickwise.annotate.deltas import delta_json, deltas_json, patch
from clickwise.annotate.networks import Network
from clickwise.annotate.protocol import (
    AnyCommand,
    Asking,
    Busy,
    DoThreshold,
    Preview,
    Result,
    Superseded,
    Timing,
)
from clickwise.annotate.server.errors import refused
from clickwise.annotate.server.jobs import DroppedError, Job
from clickwise.annotate.session import Session, touched_object
from clickwise.annotate.store import Recorded

if TYPE_CHECKING:
    from clickwise.annotate.server.desk import Desk

T = TypeVar("T")
_MOST_WAITING = 200
"""Commands of one client on one picture that wait; more is a runaway client."""
_BUSY_AFTER = 0.1
_LOOK_EVERY = 0.5


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
        """Run in the network's thread. After too long it is dropped, or goes on if it began; its user is told.

        One that goes on is no error: clients keep the command, and its answer is the result.
        """
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
                self.desk.note(Busy(id=job.last.id, image_id=self.image_id, reason="network"))
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


def _since(begin: float) -> float:
    return 1000 * (time.perf_counter() - begin)


def _look(future: asyncio.Future[Any]) -> None:
    """An exception of work that nobody waits for any more is no news."""
    if not future.cancelled():
        future.exception()
