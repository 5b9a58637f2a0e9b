"""Rig for the simulated clock under asyncio."""

import asyncio
import time

from sim import clock


async def _sleep(ms):
    await asyncio.sleep_ms(ms)


def order(start_us=0):
    """Three tasks that sleep differently, over two virtual hours."""
    clock.virtual(start_us)
    seen = []

    async def task(name, ms, times):
        for _ in range(times):
            await asyncio.sleep_ms(ms)
            seen.append((name, clock.now_us() - start_us))

    async def main():
        clock.at(start_us + 1_500_000, lambda: seen.append(("event", clock.now_us() - start_us)))
        t = asyncio.create_task(task("slow", 3_600_000, 2))
        await task("fast", 1000, 3)
        try:
            await asyncio.wait_for_ms(_sleep(5000), 10)
        except asyncio.TimeoutError:
            seen.append(("timeout", clock.now_us() - start_us))
        await t

    asyncio.run(main())
    return seen


def ticks_after(us):
    """What the ESP32's numbers are that long after power on."""
    clock.virtual(us)
    return time.ticks_us(), time.ticks_ms(), time.time(), time.gmtime(0)[:3]


def cancelled():
    """How a task ends that is cancelled while it sleeps, waits for an event, or for a task."""
    clock.virtual()
    how = []

    async def main():
        event = asyncio.Event()

        async def inner():
            await event.wait()

        async def outer():
            try:
                await inner_task
            except asyncio.CancelledError:
                how.append("outer")
                raise

        inner_task = asyncio.create_task(inner())
        task = asyncio.create_task(outer())
        await asyncio.sleep_ms(5)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            how.append("caller")
        sleeper = asyncio.create_task(_sleep(1000))
        await asyncio.sleep_ms(1)
        how.append(sleeper.cancel())
        try:
            await sleeper
        except asyncio.CancelledError:
            how.append("sleeper")
        how.append(sleeper.cancel())
        how.append(await asyncio.gather(_sleep(3), _sleep(2)))

    asyncio.run(main())
    return how
