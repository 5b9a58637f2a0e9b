"""Announces the broker by mDNS, so that a board without settings for one finds it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from zeroconf import Error, InterfaceChoice, IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

KIND = "_lutin._tcp.local."


class Announcer:
    """One service: the broker's port, and in its text where releases are."""

    def __init__(
        self, addresses: Sequence[str], port: int, server: str, interfaces: Sequence[str] | None = None
    ) -> None:
        host = socket.gethostname().partition(".")[0] or "lutin"
        self._info = ServiceInfo(
            KIND,
            f"lutin on {host}.{KIND}"[-200:],
            parsed_addresses=list(addresses),
            port=port,
            properties={"path": "/", "server": server, "v": "1"},
            server=f"lutin-{host}.local.",
        )
        self._interfaces: Any = InterfaceChoice.All if interfaces is None else list(interfaces)
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self) -> str:
        """Announce it; why not, if that cannot be."""
        try:
            self._zeroconf = AsyncZeroconf(interfaces=self._interfaces, ip_version=IPVersion.V4Only)
            await (await self._zeroconf.async_register_service(self._info, allow_name_change=True))
        except (OSError, Error) as e:
            await self.stop()
            return str(getattr(e, "strerror", None) or e or type(e).__name__)
        return ""

    async def stop(self) -> None:
        """Say goodbye."""
        if self._zeroconf:
            zeroconf, self._zeroconf = self._zeroconf, None
            await zeroconf.async_close()
