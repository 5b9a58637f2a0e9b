"""The console: a few commands, and the device's status in one screen."""

_HELP = (
    "status  what the device is doing\n"
    "log     the last lines\n"
    "update  look for a release now\n"
    "restart restart the board\n"
    "help    this list"
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
    for line in _release(report["update"]):
        yield line
    yield "settings  generation %d" % report["generation"]
    yield "started   by %s, %d s ago, %d bytes of heap free" % (
        report["restart_cause"],
        up,
        report["heap_free"],
    )
    blinkup = report["blinkup"]
    yield "blinkup   %s" % ("receiving" if blinkup["receiving"] else "open" if blinkup["open"] else "closed")


def _release(update):
    """What runs, what is on trial, what failed, what comes next."""
    if update["slot"] is None:
        yield "release   none: from a tree of sources"
    else:
        yield "release   %d (%s) in slot %s" % (update["number"], update["version"], update["slot"])
    trial = update["trial"]
    if trial:
        yield "trial     release %d, attempt %d of %d" % (trial["number"], trial["boots"], trial["of"])
    for word in ("suspect", "rejected"):
        if update[word]:
            yield "%-9s release %d" % (word, update[word])
    failure = update["failure"]
    if failure:
        ago = "before this start" if failure["ago"] is None else "%d s ago" % failure["ago"]
        more = " (%s)" % failure["detail"] if failure["detail"] else ""
        yield "update    %s%s, %d times, last %s" % (failure["name"], more, failure["count"], ago)
    if update["progress"]:
        yield "fetched   %d of %d bytes" % tuple(update["progress"])
    elif update["next"] is not None:
        yield "next look in %d s" % update["next"]


class Console:
    """Answers lines of text."""

    def __init__(self, report, log, show, restart, update):
        # report: callable, dict; show(line): a line of the log as text; restart, update: callables
        self._report = report
        self._log = log
        self._show = show
        self._restart = restart
        self._update = update

    def answer(self, line):
        """The lines that answer one line of input."""
        word = line.strip().lower()
        if word == "status":
            return screen(self._report())
        if word == "log":
            return (self._show(entry) for entry in self._log.lines())
        if word == "restart":
            self._restart()
        if word == "update":
            self._update()
        if word in ("", "restart", "update"):
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
