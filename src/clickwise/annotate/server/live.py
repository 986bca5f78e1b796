"""The WebSocket hub: who is there, who has which picture open, and who must hear of what."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from clickwise.annotate.deltas import classes_shape, image_shape, progress_shape
from clickwise.annotate.history import Event
from clickwise.annotate.networks import Network
from clickwise.annotate.protocol import (
    CLOSE_PROTOCOL,
    CLOSE_TAKEN_OVER,
    CLOSE_UNAUTHORISED,
    HELLO_SECONDS,
    PROTOCOL_VERSION,
    Cancel,
    ClassesNews,
    Close,
    Error,
    Hello,
    ImageNews,
    Message,
    ModelNews,
    News,
    Open,
    Ping,
    Pong,
    ProgressNews,
    Reload,
    Welcome,
    read_message,
)
from clickwise.annotate.server.desk import Desk
from clickwise.annotate.server.errors import explained
from clickwise.annotate.server.security import Guard
from clickwise.annotate.server.services import Services
from clickwise.errors import ClickwiseError, InputError

log = logging.getLogger("clickwise.annotate")
_MOST_UNSENT = 2000
"""Messages that a connection may be behind; then it is closed and may come back for the newest state."""
_MOST_DESKS = 512
_MOST_CONNECTIONS = 256
_CLOSE_SLOW = 1013
_FINISH_SECONDS = 10.0


class Connection:
    """One WebSocket with the messages that wait to go out."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.unsent: asyncio.Queue[Message | None] = asyncio.Queue(_MOST_UNSENT)
        self.code = 1000

    def send(self, message: Message) -> None:
        """Queue a message; a connection that is too far behind is closed."""
        try:
            self.unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.end(_CLOSE_SLOW)

    def end(self, code: int) -> None:
        """Close after what is queued; at once when the queue is full."""
        self.code = code
        while self.unsent.full():
            self.unsent.get_nowait()
        self.unsent.put_nowait(None)

    async def pump(self) -> None:
        """Send until the end."""
        try:
            while (message := await self.unsent.get()) is not None:
                await self.socket.send_text(message.model_dump_json())
            await self.socket.close(self.code)
        except (WebSocketDisconnect, RuntimeError):
            log.debug("a connection was gone before all was sent")


class Live:
    """All connections and desks of a server. Its methods belong to the event loop, except `model_changed`."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self.services, self.guard = services, guard
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._connections: dict[Desk, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to listen to the networks; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self.services.networks.tell(self.model_changed)

    async def stop(self) -> None:
        """Drop what has not begun, finish and store what has."""
        for connection in self._connections.values():
            connection.end(1012)
        await asyncio.gather(*(desk.finish(_FINISH_SECONDS) for desk in self._desks.values()))
        for task in tuple(self._tasks):
            task.cancel()

    @property
    def users(self) -> int:
        """How many are connected."""
        return len(self._connections)

    # ------------------------------------------------------------------------------------------ one connection

    async def serve(self, socket: WebSocket) -> None:
        """A connection from its hello to its end."""
        await socket.accept()
        if len(self._connections) >= _MOST_CONNECTIONS:
            await _close(socket, _CLOSE_SLOW)
            return
        hello = await self._hello(socket)
        if hello is None:
            return
        connection, desk = Connection(socket), self._desk(hello)
        before = self._connections.pop(desk, None)
        if before is not None:
            before.end(CLOSE_TAKEN_OVER)
        self._connections[desk] = connection
        desk.send = None  # nothing before the welcome
        project = await self.services.blocking(self.services.project_json)
        connection.send(Welcome(user=desk.user, project=project, known=desk.known))
        if self._connections.get(desk) is connection:
            desk.send = connection.send
        pump = asyncio.create_task(connection.pump())
        try:
            await self._listen(socket, connection, desk, pump)
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone without a word
        finally:
            pump.cancel()
            if self._connections.get(desk) is connection:
                del self._connections[desk]
                desk.send, desk.left_at = None, time.monotonic()

    async def _hello(self, socket: WebSocket) -> Hello | None:
        try:
            message = read_message(await asyncio.wait_for(socket.receive_text(), HELLO_SECONDS))
        except (ClickwiseError, TimeoutError, asyncio.TimeoutError, WebSocketDisconnect, RuntimeError, KeyError):
            message = None
        if not isinstance(message, Hello) or not self.guard.token_fits(message.token):
            await _close(socket, CLOSE_UNAUTHORISED)
            return None
        if message.protocol != PROTOCOL_VERSION:
            await _close(socket, CLOSE_PROTOCOL)
            return None
        return message

    async def _listen(self, socket: WebSocket, connection: Connection, desk: Desk, pump: asyncio.Task[None]) -> None:
        while not pump.done():
            receive = asyncio.ensure_future(socket.receive_text())
            await asyncio.wait([receive, pump], return_when=asyncio.FIRST_COMPLETED)
            if not receive.done():
                receive.cancel()
                return
            text = receive.result()
            try:
                await self._take(read_message(text), connection, desk)
            except Exception as error:
                code, why = explained(error)
                connection.send(Error(id=_id_in(text), code=code, message=why))

    async def _take(self, message: Message, connection: Connection, desk: Desk) -> None:
        match message:
            case Ping():
                connection.send(Pong())
            case Open():
                await self._open(message.image_id, desk)
            case Close():
                self._leave(desk, None)
            case Cancel():
                desk.cancel(message.target)
            case Hello():
                raise InputError("hello comes once; open another connection for another user")
            case _:
                desk.submit(message)  # type: ignore[arg-type]

    async def _open(self, image_id: str, desk: Desk) -> None:
        self._leave(desk, image_id)
        desk.open_image = image_id
        await self.services.blocking(self._decode_and_next, image_id)

    def _leave(self, desk: Desk, for_image: str | None) -> None:
        if desk.open_image is not None and desk.open_image != for_image:
            desk.leave(desk.open_image)
        desk.open_image = None

    def _decode_and_next(self, image_id: str) -> None:
        store, pictures = self.services.store, self.services.pictures
        entry = store.image(image_id)
        if entry.trouble:
            return
        here = pictures.get(entry)
        following = store.next_unfinished(image_id)
        if following is not None:
            ahead = store.image(following)
            # Not at the same time: the one that the user waits for comes first.
            here.add_done_callback(lambda _: pictures.ahead(ahead))

    def _desk(self, hello: Hello) -> Desk:
        desk = self._desks.get(hello.client)
        if desk is None:
            desk = self._desks[hello.client] = Desk(self.services, hello.client, hello.user)
        desk.user = hello.user
        self._desks.move_to_end(hello.client)
        self._sweep()
        return desk

    def _sweep(self) -> None:
        """Forget desks whose users have been gone for long."""
        late = time.monotonic() - self.services.settings.idle_seconds
        for client, desk in tuple(self._desks.items()):
            is_gone = desk not in self._connections and desk.is_idle
            if is_gone and (desk.left_at < late or len(self._desks) > _MOST_DESKS):
                del self._desks[client]

    # ------------------------------------------------------------------------------------------ news

    def stored(self, image_id: str, event: Event, delta: dict[str, Any], origin: Desk | None) -> None:
        """An event was stored: those who have the picture open get its delta, all others what the list shows."""
        news = News(delta=delta)
        for desk in tuple(self._connections):
            if desk is not origin and desk.open_image == image_id:
                desk.note(news)
        counted = event.change.finished is not None or any(
            change.before is None or change.after is None for change in event.change.objects
        )
        if counted:
            self._in_background(self.image_changed(image_id))

    async def image_changed(self, image_id: str) -> None:
        """A picture's entry in the list changed: tell everybody, with the progress."""
        async with self._telling:  # else what was read earlier could be told later
            entry = await self.services.blocking(self.services.store.image, image_id)
            progress = await self.services.blocking(self.services.store.progress)
            self.tell_all(ImageNews(image=image_shape(entry)))
            self.tell_all(ProgressNews(progress=progress_shape(progress)))

    async def classes_changed(self) -> None:
        """The classes changed."""
        classes, version = await self.services.blocking(self.services.store.classes)
        self.tell_all(ClassesNews(classes=classes_shape(classes, version)))

    async def changed_everything(self, reason: str) -> None:
        """So much changed, at once or from outside, that clients should ask anew."""
        self.services.pictures.forget()
        await self.classes_changed()
        await self.list_changed(reason)

    async def list_changed(self, reason: str) -> None:
        """Which pictures there are, and so the places of others, changed: clients should ask for the list anew."""
        async with self._telling:
            progress = await self.services.blocking(self.services.store.progress)
            self.tell_all(ProgressNews(progress=progress_shape(progress)))
            self.tell_all(Reload(reason=reason))

    def model_changed(self, network: Network) -> None:
        """A network changed its state; may be called from any thread."""
        with suppress(RuntimeError):  # the server has stopped meanwhile
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.tell_all, ModelNews(model=network.shape()))

    def tell_all(self, message: Message) -> None:
        """A message to every connection."""
        for desk in tuple(self._connections):
            desk.note(message)

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _close(socket: WebSocket, code: int) -> None:
    try:
        await socket.close(code)
    except RuntimeError:
        log.debug("a connection was gone before it could be closed")


def _id_in(text: str) -> str | None:
    """The id of a message that cannot be used, so that its sender knows which one it was."""
    import json

    try:
        found = json.loads(text).get("id")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and 0 < len(found) <= 64 else None
