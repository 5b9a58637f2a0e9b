"""The application's coroutines: how long a step of each takes, what ends it, and the end of all of them."""

import asyncio
from asyncio import core  # type: ignore (the stubs do not know it)

from micropython import const

from .states import Failure

_MOST = const(32)  # tasks at a time; each takes some 300 bytes
_STEP = const(10000)  # ms that the whole board may be held up
_GRACE = const(100)  # ms for what an application does when it is cancelled


class ImpError(Failure):
    """What an application asked for was refused."""


class Tasks:
    """One start of the application, from its first step to the crash of any of its coroutines.

    Tasks that it makes with asyncio itself are its own as well: as long as it lives, asyncio is told to
    make them here. An exception that nobody awaits is a crash too.
    """

    def __init__(self, uptime):
        self._uptime = uptime
        self._tasks = []
        self._raised = []  # exceptions of tasks that somebody may still await
        self._closed = False  # no coroutine is continued any more
        self._make = core.create_task
        self.over = asyncio.Event()
        self.error = None  # what it crashed with
        asyncio.create_task = core.create_task = self._create
        core.Loop.set_exception_handler(self._unhandled)

    def spawn(self, coroutine, awaited=False):
        """Run it as a task; what it raises is a crash. awaited: unless somebody awaits it."""
        self._tasks = [task for task in self._tasks if not task.done()]
        if self._closed or len(self._tasks) >= _MOST:
            raise ImpError("too-many-tasks", "%d at most" % _MOST)
        task = self._make(self._drive(coroutine, awaited))
        self._tasks.append(task)
        return task

    def call(self, handler, *args):
        """Call a function of the application, or run its coroutine, in a task of its own."""
        return self.spawn(run(handler, args))

    def alive(self):
        """Whether any task still runs."""
        return any(not task.done() for task in self._tasks)

    def fail(self, error):
        """The application has crashed."""
        if self.error is None:
            self.error = error
        self.over.set()

    async def end(self):
        """Cancel everything; what does not go by itself, soon, is not continued."""
        asyncio.create_task = core.create_task = self._make
        self._cancel()
        await asyncio.sleep_ms(0)
        if self.alive():
            await asyncio.sleep_ms(_GRACE)
        self._closed = True
        self._cancel()
        await asyncio.sleep_ms(0)
        core.Loop.set_exception_handler(None)

    def _cancel(self):
        for task in self._tasks:
            if not task.done():
                task.cancel()

    def _create(self, coroutine):
        """In place of asyncio's create_task()."""
        mine = core.cur_task is not None and any(task is core.cur_task for task in self._tasks)
        # What is no coroutine is asyncio's to refuse.
        return self.spawn(coroutine, True) if mine and hasattr(coroutine, "send") else self._make(coroutine)

    def _drive(self, coroutine, awaited):
        """A generator that runs a coroutine of the application, one step at a time."""
        error = None
        while True:
            begin = self._uptime()
            try:
                if error is None:
                    coroutine.send(None)
                else:
                    coroutine.throw(error)
            except StopIteration as e:
                return e.value
            except (asyncio.CancelledError, KeyboardInterrupt):
                raise  # Ctrl-C is meant for the device, whoever happens to run
            except BaseException as e:  # whatever an owner's program may raise
                if awaited and isinstance(e, Exception):
                    self._raised = self._raised[-3:] + [e]
                    raise
                self.fail(e)
                return None
            finally:
                took = self._uptime() - begin
                if took > _STEP:
                    self.fail(ImpError("blocked", "nothing else could run for %d s" % (took // 1000)))
            try:
                yield
                error = None
            except BaseException as e:
                if self._closed:
                    raise  # it was told once, and went on
                error = e

    def _unhandled(self, loop, context):
        """A task has raised what nobody awaited."""
        error = context["exception"]
        if any(one is error for one in self._raised):
            self.fail(error)
        else:
            loop.default_exception_handler(loop, context)  # a class, of functions


class Allowance:
    """So many at once, and one more each so many ms."""

    def __init__(self, uptime, most, every):
        self._uptime = uptime
        self._most = most
        self._every = every
        self._left = most
        self._at = uptime()
        self.refused = 0

    def take(self):
        """Whether there is one left."""
        grown = (self._uptime() - self._at) // self._every
        self._at += grown * self._every
        self._left = min(self._most, self._left + grown)
        if not self._left:
            self.refused += 1
            return False
        self._left -= 1
        return True


async def run(handler, args):
    """The handler, which may be a function or a coroutine."""
    result = handler(*args)
    if hasattr(result, "send"):
        await result
