"""The console: a few commands, and the device's status in one screen."""

_HELP = (
    "status  what the device is doing\nlog     the last lines\nrestart restart the board\nhelp    this list"
)


def screen(report):
    """The report as lines of text, one screen."""
    state = report["state"]
    wifi = report["wifi"]
    settings = report["settings"]
    up = report["uptime"]
    yield "state     %d %s: %s" % (state["number"], state["name"], state["sentence"])
    if state["detail"]:
        yield "          %s" % state["detail"]
    yield "network   %s, %s for %d s, attempts %d" % (
        wifi["ssid"] or "none",
        wifi["state"],
        up - wifi["since"],
        wifi["attempts"],
    )
    if wifi["reason"]:
        yield "because   %s" % wifi["reason"]
    if wifi["address"]:
        yield "address   %s, channel %s, %s dBm" % (wifi["address"], wifi["channel"], wifi["rssi"])
    if wifi["last_failure"]:
        yield "last      %s" % wifi["last_failure"]
    yield "stored    %s" % (", ".join(network["ssid"] for network in settings["networks"]) or "no network")
    yield "server    %s" % (settings["server"] or "none")
    yield "broker    %s" % (settings["broker"] or "none")
    yield "device    %s, id %s, board %s" % (settings["name"] or "no name", report["id"], report["board"])
    yield "release   %s, generation of settings %d" % (report["release"], report["generation"])
    yield "started   by %s, %d s ago, %d bytes of heap free" % (
        report["restart_cause"],
        up,
        report["heap_free"],
    )
    blinkup = report["blinkup"]
    yield "blinkup   %s" % ("receiving" if blinkup["receiving"] else "open" if blinkup["open"] else "closed")


class Console:
    """Answers lines of text."""

    def __init__(self, report, log, show, restart):
        # report: callable, dict; show(line): a line of the log as text; restart: callable
        self._report = report
        self._log = log
        self._show = show
        self._restart = restart

    def answer(self, line):
        """The lines that answer one line of input."""
        word = line.strip().lower()
        if word == "status":
            return screen(self._report())
        if word == "log":
            return (self._show(entry) for entry in self._log.lines())
        if word == "restart":
            self._restart()
        if word in ("", "restart"):
            return ()
        if word == "help":
            return (_HELP,)
        return ("unknown command %r" % word[:20], _HELP)

    async def run(self, stream):
        """Read commands from an asyncio stream until it ends, print the answers."""
        while True:
            line = await stream.readline()
            if not line:
                return
            try:
                text = str(line, "utf-8")
            except UnicodeError:
                text = "?"
            for answer in self.answer(text):
                print(answer)
