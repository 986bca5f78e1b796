from __future__ import annotations

from base import ModelContract


class TestClickwiseS(ModelContract):
    architecture = "clickwise-s"
