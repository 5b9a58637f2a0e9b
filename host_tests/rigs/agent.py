"""The MicroPython end of host_tests/unixport.py: calls functions of one rig module."""

import binascii
import gc
import io
import json
import sys

from sim import loop

loop.install()

_RESERVE = 6144  # bytes


def _plain(value):
    """JSON cannot say bytes, tuples or odd keys."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": binascii.hexlify(bytes(value)).decode()}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "__next__"):
        return [_plain(v) for v in value]
    return value


def _bytes(value):
    """The inverse of _plain for arguments."""
    if isinstance(value, dict):
        if len(value) == 1 and "hex" in value:
            return binascii.unhexlify(value["hex"])
        return {k: _bytes(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_bytes(v) for v in value]
    return value


def main():
    # Questions and answers need memory too, beside a firmware that may have taken all there is.
    reserve = [bytearray(_RESERVE + 2048)]
    rig = __import__(sys.argv[1])
    while True:
        reserve.clear()
        line = sys.stdin.readline()
        if not line:
            return
        ask = json.loads(line)
        gc.collect()
        try:
            reserve.append(bytearray(_RESERVE))
        except MemoryError:
            pass
        try:
            function = getattr(rig, ask["call"])
            got = function(*_bytes(ask["args"]), **_bytes(ask["kwargs"]))
            function = None
            reserve.clear()
            answer = {"ok": _plain(got)}
        except BaseException as e:  # SystemExit and the flash's PowerCut are answers too
            reserve.clear()
            trace = io.StringIO()
            sys.print_exception(e, trace)
            answer = {"error": type(e).__name__, "text": str(e), "trace": trace.getvalue()}
        sys.stdout.write("\x02" + json.dumps(answer) + "\n")


main()
