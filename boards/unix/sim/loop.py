"""Puts the simulated clock under asyncio. Import this before anything imports asyncio."""

import sys

from sim import clock, tasks

# asyncio prefers the C queue, which asks the host's clock; a built-in that is not extensible
# cannot be shadowed by a file, only by an entry here.
sys.modules["_asyncio"] = tasks

import asyncio.core as _core  # noqa: E402


def install():
    """Asyncio's waiting goes through sim.clock from now on."""
    if hasattr(_core.IOQueue, "host_wait"):
        return
    host_wait = _core.IOQueue.wait_io_event
    _core.IOQueue.host_wait = host_wait

    def wait_io_event(self, dt):
        if not self.map:
            clock.wait(None, dt)
            return
        before = len(_core._task_queue._tasks)

        def poll(ms):
            host_wait(self, ms)
            return len(_core._task_queue._tasks) != before

        clock.wait(poll, dt)

    _core.IOQueue.wait_io_event = wait_io_event
