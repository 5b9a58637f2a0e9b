"""A stored network: what has been learnt of it, and what the driver's codes say of it."""

from . import states

# WLAN.status() where the driver gives a reason.
_GONE = (200, 201, 212)  # no beacons, no access point, none strong enough
_OTHER_SECURITY = (210, 211)
_PASSWORD = (202, 204, 15)  # wrong password, handshake timed out, 4-way handshake timed out


def judge(codes, secured, proven):
    """What a network's last codes (at most three, the newest last) mean; None: not sure yet.

    A wrong password shows as 202, 204 or 203 by turns; who refuses everybody shows 203 each
    time. So 202 or 204 among the last three means wrong password, three others in a row mean
    refused, and without a password there is only refusing. A password that has worked before
    gets three chances, because a weak signal breaks handshakes too.
    """
    newest = codes[-1]
    if newest in _GONE:
        return states.NO_NETWORK
    if newest in _OTHER_SECURITY:
        return states.REFUSED if secured else states.WRONG_PASSWORD  # one is missing
    if not secured:
        return states.REFUSED
    if proven and len(codes) < 3:
        return None
    for code in codes:
        if code in _PASSWORD:
            return states.WRONG_PASSWORD
    return states.REFUSED if len(codes) == 3 else None


class Known:
    """A stored network, and what has been learnt of it since the settings came."""

    def __init__(self, network):
        self.network = network
        self.codes = []
        self.proven = False  # has been joined with this password
        self.there = False  # was on the air when last looked for
        self.rssi = self.channel = self.bssid = None  # as the last scan saw it

    def heard(self, found):
        """Note what a scan found of it; found: as WLAN.scan() gives it."""
        self.rssi = self.channel = self.bssid = None
        for ssid, bssid, channel, rssi, _, _ in found:
            if ssid == self.network.ssid.encode():
                # The driver does not tell which of several it joins.
                alone = self.rssi is None
                self.bssid = ":".join("%02x" % byte for byte in bssid) if alone else None
                if self.rssi is None or rssi > self.rssi:
                    self.rssi, self.channel = rssi, channel
        self.there = self.rssi is not None

    def accepted(self):
        """An access point has taken us: the password is right."""
        self.there = self.proven = True
        self.codes = []

    def failed(self, code):
        """A try has ended with that code: what it means, None while that is not sure."""
        self.there = code not in _GONE
        codes = self.codes[-2:] + [code]
        if self.there:
            self.codes = codes
        return judge(codes, self.network.password, self.proven)
