"""Memory settings under which training on a CPU runs nearly twice as fast, and how a command takes them on.

Every step needs the same large activations again. By default the C library gives them back to the system after each one
and faults the pages in anew. The settings are read when a process starts, so the command starts itself again with them.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

SETTINGS: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "536870912",
    "MALLOC_ARENA_MAX": "2",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
_SWITCH = "CLICKWISE_KEEP_ALLOCATOR"


def restart_with_settings() -> None:
    """Replace this process by the same command with `SETTINGS`, once, where the C library is glibc.

    Set CLICKWISE_KEEP_ALLOCATOR=1 to leave the allocator as it is. Settings of the user's own are kept.
    """
    if os.environ.get(_SWITCH) or platform.libc_ver()[0] != "glibc" or "pytest" in sys.modules:
        return
    os.execve(sys.executable, sys.orig_argv, {**SETTINGS, **os.environ, _SWITCH: "1"})
