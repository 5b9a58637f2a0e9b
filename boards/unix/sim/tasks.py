"""asyncio's task queue, in place of the C one, which asks the host's clock and not ours."""

from time import ticks_diff, ticks_ms


class TaskQueue:
    """Tasks by due time; first come, first served among equals."""

    def __init__(self):
        self._tasks = []

    def peek(self):
        """The task that is due first, or None."""
        return self._tasks[0] if self._tasks else None

    def push(self, task, key=None):
        """Queue a task for the moment `key` in ms, or for now."""
        task.data = None
        task.ph_key = key = ticks_ms() if key is None else key
        tasks = self._tasks
        i = len(tasks)
        while i and ticks_diff(tasks[i - 1].ph_key, key) > 0:
            i -= 1
        tasks.insert(i, task)

    def pop(self):
        """Take out the task that is due first."""
        return self._tasks.pop(0)

    def remove(self, task):
        """Take out a task wherever it stands."""
        self._tasks.remove(task)


class Task:
    """A coroutine on its way. `core` is the namespace of asyncio.core.

    state is True while it runs and nobody waits, a TaskQueue of those who wait, a callable
    for gather(), None when finished unseen and False when finished and awaited. data is what
    holds it (a queue, a task), or the exception to throw into it, or the one that ended it.
    """

    def __init__(self, coro, core=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self._core = core

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        elif not isinstance(self.state, TaskQueue):
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if not self.state:
            raise self.data
        waiter = self._core["cur_task"]
        self.state.push(waiter)
        waiter.data = self

    def done(self):
        """Whether it has ended."""
        return not self.state

    def cancel(self):
        """Throw CancelledError into it at its next turn; False when it has ended."""
        if not self.state:
            return False
        if self is self._core["cur_task"]:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data  # cancel what it waits for: the error comes back up
        queue = self._core["_task_queue"]
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            queue.push(task)
        elif task in queue._tasks:
            queue.remove(task)
            queue.push(task)
        else:
            queue.push(task)
        task.data = self._core["CancelledError"]
        return True
