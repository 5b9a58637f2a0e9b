"""Is the owner's server really there? Asks it for release.json and looks at the first kilobyte."""

import asyncio

from micropython import const

from . import states

_STAGE_MS = const(10000)
_MOST = const(1024)
_TROUBLE = (OSError, ValueError, EOFError, MemoryError, asyncio.TimeoutError)


async def reach(url, resolve, open_connection, say):
    """(state, detail): CONNECTED, NO_NAME, NO_SERVER or LANDING_PAGE; detail says why, or "".

    resolve: socket.getaddrinfo, which blocks on the ESP32. open_connection: asyncio's; for https
    it encrypts and checks nothing. say(state, host) is called at each stage.
    """
    try:
        secure, host, port, path, guarded = split(url)
    except ValueError:
        return states.NO_NAME, "bad-address"
    say(states.RESOLVING, host)
    try:
        resolve(host, port)
    except _TROUBLE as e:
        return states.NO_NAME, _why(e)
    say(states.CONNECTING, host)
    stream = None
    try:
        # Only for https, so that http needs no TLS in the interpreter.
        opening = open_connection(host, port, ssl=True) if secure else open_connection(host, port)
        stream, _ = await asyncio.wait_for_ms(opening, _STAGE_MS)
        answer = await asyncio.wait_for_ms(_ask(stream, host, port, path), _STAGE_MS)
        return judge(answer, host, guarded)
    except _TROUBLE as e:
        return states.NO_SERVER, _why(e)
    finally:
        if stream:
            try:
                await stream.wait_closed()
            except _TROUBLE:
                pass


def split(url):
    """(https?, host, port, path with a / at its end, user and password in it?), or ValueError."""
    for char in url:
        if not "!" <= char <= "~":
            raise ValueError  # a line break would be a second request
    scheme, mark, rest = url.partition("://")
    host, _, path = rest.partition("/")
    guarded = "@" in host
    host, colon, port = host.split("@")[-1].partition(":")
    if scheme not in ("http", "https") or not mark or not host:
        raise ValueError
    secure = scheme == "https"
    port = int(port) if colon else 443 if secure else 80
    if not 0 < port < 65536:
        raise ValueError
    return secure, host, port, "/" + (path.rstrip("/") + "/" if path else ""), guarded


def judge(answer, host, guarded):
    """(state, detail) of the first bytes of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    version, _, code = lines[0].partition(b" ")
    if not version.startswith(b"HTTP/1."):
        return states.NO_SERVER, "not-http" if answer else "no-answer"
    code = str(code[:3], "ascii") if code[:3].isdigit() else "?"
    kind = _field(lines, b"content-type")
    if code == "401" and guarded:
        # Not sent here: what answers might be anybody. It is asked for, and that is expected.
        return states.CONNECTED, ""
    if code == "511":
        return states.LANDING_PAGE, "login-wanted"
    if code[0] == "3":
        place = _field(lines, b"location").partition(b"//")[2].partition(b"/")[0].partition(b":")[0]
        if place and place != host.lower().encode():
            return states.LANDING_PAGE, "redirect-to-elsewhere"
    if code != "200":
        return states.NO_SERVER, "http-" + code
    if b"html" in kind or body.lstrip()[:1] == b"<":
        return states.LANDING_PAGE, "page-instead-of-release"
    if b"json" in kind or body.lstrip()[:1] == b"{":
        return states.CONNECTED, ""
    return states.NO_SERVER, "not-a-release"


def _field(lines, name):
    for line in lines[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip().lower()
    return b""


async def _ask(stream, host, port, path):
    request = "GET %srelease.json HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (path, host, port)
    stream.write(request.encode())
    await stream.drain()
    answer = b""
    # The end of the head, and something of the body.
    while len(answer) < _MOST and not answer.partition(b"\r\n\r\n")[2]:
        more = await stream.read(_MOST - len(answer))
        if not more:
            break
        answer += more
    return answer


def _why(error):
    if isinstance(error, asyncio.TimeoutError):
        return "timed-out"
    if isinstance(error, MemoryError):
        return "out-of-memory"
    return "error %s" % (error.args[0] if error.args else "unknown")
