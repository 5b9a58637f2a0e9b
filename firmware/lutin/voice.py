"""What a device says: of all that goes on in it the one state that light, log and broker are told."""

from . import states

_FAILURES = (
    states.NO_NETWORK,
    states.WRONG_PASSWORD,
    states.REFUSED,
    states.NO_ADDRESS,
    states.NO_NAME,
    states.NO_SERVER,
    states.LANDING_PAGE,
    states.UPDATE_REFUSED,
    states.NO_BROKER,
    states.BROKER_REFUSED,
)
_WELL = (states.CONNECTED, states.ROLLED_BACK, states.UPDATE_WAITING)
_GOOD = states.CONNECTED, ""
_WAITING = states.CONNECTING, ""


class Voice:
    """Its state, and what that is about."""

    def __init__(self, led, log, given_up, changed):
        # given_up(): whether the application is; changed(): tells the broker
        self._led = led
        self._log = log
        self._given_up = given_up
        self._changed = changed
        self.state = states.STARTING
        self.detail = ""
        self.failure = None  # the state that the light shows last before it goes dark
        self.why = ""  # the last BlinkUp was not understood
        self._server = self._broker = _GOOD  # what they have come to

    def now(self):
        """(number, detail): what the light means, also while it is off."""
        shot = self._led.shot
        if shot is None:
            return self.state, self.detail
        return shot, "" if shot == states.IDENTIFY else self.why

    def say(self, state, detail=""):
        """This is the state, whatever else goes on."""
        if state == self.state and detail == self.detail:
            return
        self.state = state
        self.detail = detail
        self._led.show(state)
        self._log.info("state: %s%s" % (states.name(state), " (%s)" % detail if detail else ""))

    def refuse(self, reason):
        """A BlinkUp was not understood."""
        self.why = reason
        self._led.show(states.NOT_UNDERSTOOD)

    def wait(self, server, broker):
        """The network is there, or gone: each of the two, where there is one, has yet to answer."""
        self._server = _WAITING if server else _GOOD
        self._broker = _WAITING if broker else _GOOD

    def server(self, state, detail):
        """The server answers, or does not."""
        self._server = state, detail
        self._answer()

    def broker(self, state, detail):
        """The broker answers, or does not."""
        self._broker = state, detail
        self._answer()

    def note(self, state, detail):
        """A stage or a result of connecting."""
        if state == states.CONNECTED:
            self.failure = None
            if self._given_up():
                state = states.APP_STOPPED
        elif state in _FAILURES:
            self.failure = state
        self.say(state, detail)
        self._changed()

    def _answer(self):
        # The server's word, where all is well with it the broker's.
        state, detail = self._server
        if state in _WELL and self._broker[0] != states.CONNECTED:
            state, detail = self._broker
        self.note(state, detail)
