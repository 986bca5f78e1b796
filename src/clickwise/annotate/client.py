"""The client of a running ``clickwise annotate``, for scripts on any computer: no torch, no web framework.

>>> from clickwise.annotate.client import RemotePredictor, RemoteProject
"""

from clickwise.annotate.remote_calls import Calls
from clickwise.annotate.remote_predictor import RemotePrediction, RemotePredictor
from clickwise.annotate.remote_project import Imported, RemoteDocument, RemoteObject, RemoteProject

__all__ = [
    "Calls",
    "Imported",
    "RemoteDocument",
    "RemoteObject",
    "RemotePrediction",
    "RemotePredictor",
    "RemoteProject",
]
