"""One table: each state a person can see, its number, name, pattern, sentence; and how a failure says so."""

from micropython import const

# Numbers never change their meaning: logs and servers keep them.
STARTING = const(0)
NO_SETTINGS = const(1)
RECEIVING = const(2)
RECEIVED = const(3)
NOT_UNDERSTOOD = const(4)
SEARCHING = const(5)
NO_NETWORK = const(6)
JOINING = const(7)
WRONG_PASSWORD = const(8)
REFUSED = const(9)
ADDRESS = const(10)
NO_ADDRESS = const(11)
RESOLVING = const(12)
NO_NAME = const(13)
CONNECTING = const(14)
NO_SERVER = const(15)
LANDING_PAGE = const(16)
CONNECTED = const(17)
DOWNLOADING = const(18)
INSTALLING = const(19)
UPDATE_REFUSED = const(20)
ROLLED_BACK = const(21)
APP_STOPPED = const(22)
NOT_STORED = const(23)
NO_MEMORY = const(24)
LOST = const(25)
NO_BROKER = const(26)
BROKER_REFUSED = const(27)
IDENTIFY = const(28)
UPDATE_WAITING = const(29)

# A pattern is text: a colour (R red, G green, A amber, - off) and its length in units of
# 125 ms, over and over. A capital O in front: once, then the pattern below comes back.

# Name, pattern, sentence. Sorted by number, so that a state is found by its index; a line each, because
# a tuple of three strings takes twice the memory.
_TABLE = (
    "starting -1 Starting.",
    "no-settings A4-4 No settings: waiting for BlinkUp.",
    "receiving -1 A BlinkUp is being received.",
    "received OG24 BlinkUp received, stored and read back.",
    "not-understood OR16 BlinkUp not understood, or broken off.",
    "searching -4R4-4R2-2R2 Searching for the network.",
    "no-network -4R4-4R2-2R2 Network not found.",
    "joining -4R4-4R2-2R2-2R2 Joining the network.",
    "wrong-password -4R4-4R2-2R2-2R2-2R2 Wrong password.",
    "refused -4R4-4R2-2R2-2R2-2R2-2R2 Refused by the access point.",
    "address -4R2A2 Getting an address.",
    "no-address -4R2A2 The network gave no address.",
    "resolving -4A2R2 Resolving the server's name.",
    "no-name -4A2R2 The server's name was not resolved.",
    "connecting -4A4-4R2 Connecting to the server.",
    "no-server -4A4-4R2 The server does not answer.",
    "landing-page -4A4-4R2-2R2 Something else answers in the server's place: a landing page.",
    "connected G4-4 Connected.",
    "downloading G2-2G4-4 Downloading an update.",
    "installing G8 Installing an update; restart follows.",
    "update-refused -4A4-4R2-2R2-2R2 Update refused: signature, contents or board.",
    "rolled-back G4-4R2-2 Running on the previous release because the new one failed.",
    "app-stopped G4-4R1-1R1-1R1-1R1-1 The application keeps crashing; running without it.",
    "not-stored -4R4A2 Settings could not be stored.",
    "no-memory -4A4R2 No settings memory found.",
    "lost -4R4-4R2-2R2 The connection to the network was lost.",
    "no-broker -4A4-4R2-2R2-2R2-2R2 The message broker does not answer.",
    "broker-refused -4A4-4R2-2R2-2R2-2R2-2R2 The message broker refuses the login.",
    "identify O" + "R1G1A1-1" * 10 + " Somebody asks which device this is.",
    "update-waiting G14-2 The application has put a restart for an update off.",
)


def name(state):
    """The state's name, as console, log, broker and page say it."""
    return _TABLE[state].split(" ", 1)[0]


def pattern(state):
    """(cells, once): cells is text such as "A4-4" in units of 125 ms."""
    text = _TABLE[state].split(" ", 2)[1]
    if text[0] == "O":
        return text[1:], True
    return text, False


def sentence(state):
    """One English sentence for a person."""
    return _TABLE[state].split(" ", 2)[2]


def count():
    """How many states there are: 0 to count() - 1."""
    return len(_TABLE)


class Failure(Exception):
    """name: one of a fixed set, kebab-case, kept and shown; detail: a few words, or ""."""

    def __init__(self, name, detail=""):
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self):
        return "%s (%s)" % (self.name, self.detail) if self.detail else self.name
