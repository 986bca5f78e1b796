"""The annotator's server: REST and WebSocket around a project's store and its networks.

`app.create_app` puts it together, `security` guards every door, `live` keeps the connections, `desk` does one client's
commands in order, and the ``routes_*`` modules are thin. Needs the extra ``[annotate]``.
"""

from clickwise.errors import MissingExtraError

try:
    import fastapi as _fastapi
    import uvicorn as _uvicorn
    import websockets as _websockets
except ImportError as error:
    raise MissingExtraError(error.name or "fastapi", "annotate", "the annotator") from error

del _fastapi, _uvicorn, _websockets
