"""The sender page, in Chromium: what it refuses, what it flashes, and how it behaves."""

from __future__ import annotations

import base64
import functools
import http.server
import random
import shutil
import string
import threading
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import reference_encoder as reference
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")

FOLDER = Path(__file__).resolve().parent.parent / "tools" / "lutin_tools" / "web" / "sender"
PAGE = (FOLDER / "index.html").as_uri()
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no chromium: apt-get install chromium", allow_module_level=True)

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
SECRET = "correct horse battery"
GREY = 0.5029  # sRGB 188 in linear light
WATCH = """
    window.seen = [];
    addEventListener('lutin-frame', ({detail}) => seen.push([detail.us, detail.level]));
"""

Frames = list[tuple[int, float]]
Open = Callable[..., Any]


def is_fault(line: Any) -> bool:
    """Not that a frame of a stranger may not keep the screen awake: so it should be, and it is said."""
    return line.type in ("error", "warning") and "screen-wake-lock" not in line.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def kept(browser: Any) -> Iterator[dict[str, Any]]:
    """Pages by their options: a new one takes half a second, an old one that loads anew a tenth."""
    pages: dict[str, Any] = {}
    yield pages
    for page in pages.values():
        page.context.close()


@pytest.fixture
def opened(browser: Any, kept: dict[str, Any]) -> Iterator[Open]:
    """opened("?query", clock=True) is a page; with clock its time stands still until the test runs it."""
    faults: list[str] = []
    told: list[tuple[Any, str, Any]] = []

    def listen(page: Any, event: str, hear: Callable[[Any], None]) -> None:
        page.on(event, hear)
        told.append((page, event, hear))

    def make(clock: bool, init: str, options: dict[str, Any]) -> Any:
        context = browser.new_context(**{"viewport": {"width": 800, "height": 700}, **options})
        page = context.new_page()
        page.add_init_script(WATCH + init)
        if clock:
            page.clock.install(time=0)
            page.clock.pause_at(100_000)
        return page

    def start(query: str = "", clock: bool = False, base: str = PAGE, init: str = "", **options: Any) -> Any:
        key = repr((clock, init, options))
        page = kept[key] = kept.get(key) or make(clock, init, options)
        listen(page, "pageerror", lambda error: faults.append(str(error)))
        listen(page, "console", lambda line: faults.append(line.text) if is_fault(line) else None)
        page.goto("about:blank")  # or a new fragment alone would not load it anew
        page.goto(base + query)
        return page

    yield start
    for page, event, hear in told:
        page.remove_listener(event, hear)
    assert faults == []


@pytest.fixture(scope="module")
def tools(browser: Any) -> Iterator[Any]:
    """One page whose encoder, rules and pacer are called as functions."""
    page = browser.new_page()
    page.goto(PAGE)
    yield page
    page.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The folder on a web server of this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/around.html":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(AROUND)
            else:
                super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(FOLDER))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    server.shutdown()
    server.server_close()


def run(page: Any, seconds: float) -> None:
    """Lets a standing clock run."""
    page.clock.run_for(round(seconds * 1000))


def frames(page: Any) -> Frames:
    return [(us, level) for us, level in page.evaluate("seen")]


def kind(level: float) -> str:
    return "-" if level < 0.1 else "W" if level > 0.8 else "g"


def bits_of(seen: Frames) -> str:
    """A plain decoder: every run of light between two blacks is one bit. Times are not used."""
    runs = [symbol for symbol, _ in groupby(kind(level) for _, level in seen)]
    assert all("-" in pair for pair in pairwise(runs)), "grey and white touch each other"
    return "".join("0" if symbol == "g" else "1" for symbol in runs if symbol != "-")


def passes_of(seen: Frames) -> list[bytes]:
    """All whole packets, which must follow each other with nothing but 16 bits of sync before each."""
    bits, found = bits_of(seen), []
    while len(bits) >= 16 + 16:
        assert bits[:16] == "0" * 16
        body = bits[16:]
        length = 8 * (4 + int(body[8:16], 2))
        if len(body) < length:
            break
        found.append(bytes(int(body[n : n + 8], 2) for n in range(0, length, 8)))
        bits = body[length:]
    return found


# ---- the encoder ---------------------------------------------------------------------------------

TOKEN = "0510ffeeddccbbaa99887766554433221100"


@pytest.mark.parametrize(
    ("records", "whole", "count"),
    [
        ("0107746573746e6574060868756e7465723232" + TOKEN, "2a25{}b4c0", 689),
        ("01076d7920686f6d650615636f727265637420686f7273652062617474657279" + TOKEN, "2a32{}31c0", 897),
        ("0700", "2a02{}1d41", 129),
    ],
)
def test_the_documents_packets_come_out_bit_for_bit(tools: Any, records: str, whole: str, count: int) -> None:
    packet, length = tools.evaluate(
        """hex => {
            const records = Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16));
            const packet = LutinEncoder.packet(records);
            return [Array.from(packet), LutinEncoder.symbols(packet, 32, 1).length];
        }""",
        records,
    )
    assert bytes(packet).hex() == whole.format(records)
    assert length == count
    assert bytes(packet) == reference.packet(bytes.fromhex(records))


def test_the_recorded_checked_packet_comes_out_bit_for_bit(tools: Any) -> None:
    packet = tools.evaluate(
        "LutinEncoder.packet(LutinEncoder.encodeRecords({ssid: 'HomeHub4-2G', password: 'correct-horse-9'}))"
        ".reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '')"
    )
    assert packet == "2a24010b486f6d65487562342d3247060f636f72726563742d686f7273652d3980044e5eec49bd81"


def test_a_packet_over_255_bytes_is_never_made(tools: Any) -> None:
    made = tools.evaluate(
        """() => [255, 256].map(length => {
            try { return LutinEncoder.packet(new Uint8Array(length)).length; }
            catch (error) { return error.name; }
        })"""
    )
    assert made == [259, "RangeError"]


def entries(**changes: Any) -> dict[str, Any]:
    names = "ssid password address netmask gateway dns1 dns2 proxyServer proxyPort proxyUser proxyPassword"
    blank: dict[str, Any] = dict.fromkeys((names + " server broker name").split(), "")
    return {**blank, "mode": "network", "add": False, "fixed": False, **changes}


def short(most: int, least: int = 0) -> st.SearchStrategy[str]:
    plain = st.characters(exclude_categories=("Cs", "Cc"))
    texts = st.text(plain, min_size=least, max_size=most)
    return texts.filter(lambda text: least <= len(text.encode()) <= most)


def quads() -> st.SearchStrategy[str]:
    whole = st.tuples(*[st.integers(1, 223)] * 4).map("{0[0]}.{0[1]}.{0[2]}.{0[3]}".format)
    return whole.filter(lambda text: not text.startswith("127."))


def urls(*schemes: str) -> st.SearchStrategy[str]:
    host = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).map("h{}.test".format)
    port = st.sampled_from(["", ":1", ":8883", ":65535"])
    path = st.sampled_from(["", "/", "/a/b?c=d", "/%C3%A9"])
    whole = st.tuples(st.sampled_from(schemes), host, port, path).map("{0[0]}://{0[1]}{0[2]}{0[3]}".format)
    return st.one_of(st.just(""), whole)


HEX_KEY = st.text("0123456789abcdefABCDEF", min_size=64, max_size=64)
FORMS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["network", "network", "network", "device", "clear"]),
        "ssid": short(32, 1),
        "password": st.one_of(st.just(""), short(63, 8), HEX_KEY),
        "add": st.booleans(),
        "fixed": st.booleans(),
        "address": st.integers(2, 254).map("192.168.7.{}".format),
        "netmask": st.sampled_from(["255.255.255.0", "255.255.0.0", "255.0.0.0"]),
        "gateway": st.just("192.168.7.1"),
        "dns1": quads(),
        "dns2": st.one_of(st.just(""), quads()),
        "server": urls("http", "https"),
        "broker": urls("mqtt", "mqtts"),
        "name": short(32),
    }
)
PROXIES = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "proxyServer": st.sampled_from(["proxy", "proxy.test", "10.0.0.9"]),
            "proxyPort": st.integers(1, 65535).map(str),
            "proxyUser": short(12, 1),
            "proxyPassword": short(12),
        }
    ),
)


@given(form=FORMS, proxy=PROXIES)
def test_every_accepted_form_becomes_what_the_reference_encoder_makes(
    tools: Any, form: dict[str, Any], proxy: dict[str, Any]
) -> None:
    form = entries(**form, **proxy)
    errors, packet, pass_ = tools.evaluate(
        """form => {
            const { settings, errors } = LutinRules.check(form);
            if (Object.keys(errors).length) return [errors, [], []];
            const packet = LutinEncoder.packet(LutinEncoder.encodeRecords(settings));
            return [errors, Array.from(packet), Array.from(LutinEncoder.symbols(packet))];
        }""",
        form,
    )
    body = reference.records(form)
    if form["mode"] == "device" and not (form["server"] or form["broker"] or form["name"]):
        assert "nothing to send" in errors["server"]
    elif len(body) > 255:
        assert len(errors) == 1 and f"take {len(body)} bytes" in next(iter(errors.values()))
    else:
        assert errors == {}
        assert bytes(packet) == reference.packet(body)
        assert "".join("-gW"[symbol] for symbol in pass_) == reference.symbols(bytes(packet))


@pytest.fixture(scope="module")
def firmware() -> Iterator[tuple[Rig, Rig]]:
    with Rig("blinkup") as light, Rig("settings") as memory:
        yield light, memory


def as_bytes(value: Any) -> Any:
    """What the settings' rig takes: texts as bytes, at any depth."""
    if isinstance(value, dict):
        return {key: as_bytes(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_bytes(one) for one in value]
    return value.encode() if isinstance(value, str) else value


# Half of them nonsense, near enough to an address to be taken for one.
ODD_URLS = st.text("ab0.:/@?#[]%-_\\é ", max_size=9).map("HTTP://{}".format)


@given(form=FORMS, proxy=PROXIES, odd=ODD_URLS)
def test_the_firmware_takes_whatever_the_page_sends(
    tools: Any, firmware: tuple[Rig, Rig], form: dict[str, Any], proxy: dict[str, Any], odd: str
) -> None:
    light, memory = firmware
    for server in (form["server"], odd):
        packet = tools.evaluate(
            """form => {
                const { settings, errors } = LutinRules.check(form);
                if (Object.keys(errors).length) return null;
                return Array.from(LutinEncoder.packet(LutinEncoder.encodeRecords(settings)));
            }""",
            entries(**{**form, **proxy, "server": server}),
        )
        if packet is None:
            continue
        parsed = light.call("parse", bytes(packet[1:]))
        assert "refused" not in parsed and parsed["checked"]
        stored = memory.call("apply", [as_bytes(parsed)])
        assert "refused" not in stored, (stored, server)
        networks = stored["all"]["networks"]
        sent = [(form["ssid"], form["password"])] if form["mode"] == "network" else []
        assert [(one["ssid"], one["password"]) for one in networks] == sent
        if form["mode"] != "clear":
            assert (stored["all"]["broker"], stored["all"]["name"]) == (form["broker"], form["name"])


# ---- the form ------------------------------------------------------------------------------------

FIXED = {"address": "192.168.1.20", "netmask": "255.255.255.0", "gateway": "192.168.1.1", "dns1": "9.9.9.9"}
PROXY = {"proxyServer": "proxy.test", "proxyPort": "3128"}
LONG = "https://h.test/" + "x" * 215

REFUSALS: list[tuple[dict[str, str], str, str]] = [
    ({"ssid": ""}, "ssid", "missing"),
    ({"ssid": "x" * 33}, "ssid", "has 33"),
    ({"ssid": "é" * 17}, "ssid", "has 34"),
    ({"ssid": "☕" * 11}, "ssid", "has 33"),
    ({"ssid": "tab\there"}, "ssid", "control character"),
    ({"password": "seven77"}, "password", "has 7"),
    ({"password": "x" * 65}, "password", "has 65 bytes"),
    ({"password": "é" * 32}, "password", "hexadecimal"),
    ({"password": "g" * 64}, "password", "hexadecimal"),
    ({"password": "tab\there"}, "password", "control character"),
    ({**FIXED, "address": ""}, "address", "missing"),
    ({**FIXED, "address": "192.168.1"}, "address", "Four numbers"),
    ({**FIXED, "address": "192.168.1.256"}, "address", "Four numbers"),
    ({**FIXED, "address": "192.168.1.020"}, "address", "zeros in front"),
    ({**FIXED, "address": "192.168.1.20."}, "address", "Four numbers"),
    ({**FIXED, "address": "0.0.0.0"}, "address", "No device"),
    ({**FIXED, "address": "127.0.0.1"}, "address", "No device"),
    ({**FIXED, "address": "224.0.0.1"}, "address", "No device"),
    ({**FIXED, "address": "192.168.1.0"}, "address", "network itself"),
    ({**FIXED, "address": "192.168.1.255"}, "address", "broadcast"),
    ({**FIXED, "netmask": ""}, "netmask", "missing"),
    ({**FIXED, "netmask": "24"}, "netmask", "Four numbers"),
    ({**FIXED, "netmask": "255.0.255.0"}, "netmask", "ones followed by zeros"),
    ({**FIXED, "netmask": "0.0.0.0"}, "netmask", "wider"),
    ({**FIXED, "netmask": "254.0.0.0"}, "netmask", "wider"),
    ({**FIXED, "netmask": "255.255.255.254"}, "netmask", "no room"),
    ({**FIXED, "gateway": ""}, "gateway", "missing"),
    ({**FIXED, "gateway": "192.168.2.1"}, "gateway", "outside"),
    ({**FIXED, "gateway": "192.168.1.20"}, "gateway", "own address"),
    ({**FIXED, "gateway": "192.168.1.255"}, "gateway", "broadcast"),
    ({**FIXED, "dns1": ""}, "dns1", "missing"),
    ({**FIXED, "dns1": "eight"}, "dns1", "Four numbers"),
    ({**FIXED, "dns2": "8.8.8"}, "dns2", "Four numbers"),
    ({"server": "updates.test"}, "server", "begin with http:// or https://"),
    ({"server": "mqtt://updates.test"}, "server", "begin with http:// or https://"),
    ({"server": "https://"}, "server", "name is missing"),
    ({"server": "https:///path"}, "server", "name is missing"),
    ({"server": "https://a b.test"}, "server", "spaces"),
    ({"server": "https://a.test:99999"}, "server", "not a complete address"),
    ({"server": "https://a.test:/x"}, "server", "port is missing"),
    ({"server": "https://bücher.test"}, "server", "xn--bcher-kva.test"),
    ({"server": "https://a.test/bücher"}, "server", "as % and two digits"),
    ({"server": "https://a.test/x@y"}, "server", "%40"),
    ({"server": "https://[::1]/"}, "server", "IPv4 only"),
    ({"server": "https://a.test:0"}, "server", "port is missing, or is 0"),
    ({"server": "https://a%41.test"}, "server", "letters, digits"),
    ({"broker": "https://broker.test"}, "broker", "begin with mqtt:// or mqtts://"),
    ({"broker": "mqtt://broker.test:x"}, "broker", "not a complete address"),
    ({"name": "x" * 33}, "name", "has 33"),
    ({"name": "é" * 17}, "name", "has 34"),
    ({"proxyServer": "proxy.test"}, "proxyPort", "missing"),
    ({"proxyPort": "3128"}, "proxyServer", "missing"),
    ({**PROXY, "proxyServer": "http://proxy.test"}, "proxyServer", "without http://"),
    ({**PROXY, "proxyServer": "proxy.test:80"}, "proxyServer", "field of its own"),
    ({**PROXY, "proxyServer": "my proxy"}, "proxyServer", "letters, digits"),
    ({**PROXY, "proxyServer": "x" * 129}, "proxyServer", "has 129"),
    ({**PROXY, "proxyUser": "u" * 65}, "proxyUser", "has 65"),
    ({**PROXY, "proxyUser": "u", "proxyPassword": "é" * 33}, "proxyPassword", "has 66"),
    ({**PROXY, "proxyPort": "0"}, "proxyPort", "1 to 65535"),
    ({**PROXY, "proxyPort": "65536"}, "proxyPort", "1 to 65535"),
    ({**PROXY, "proxyPassword": "secret"}, "proxyUser", "password needs a user"),
    ({"server": LONG, "name": "n" * 20}, "server", "All entries together take 269 bytes"),
    ({"server": LONG + "x" * 30}, "server", "At most 255 bytes"),
    ({**PROXY, "proxyServer": "p" * 125, "server": LONG[:120]}, "proxyServer", "All entries together"),
    ({"mode": "device"}, "server", "nothing to send"),
]


IDS = [f"{key}: {reason}" for _, key, reason in REFUSALS]


@pytest.mark.parametrize(("changes", "key", "reason"), REFUSALS, ids=IDS)
def test_what_cannot_be_carried_is_refused_beside_its_field(
    tools: Any, changes: dict[str, str], key: str, reason: str
) -> None:
    state = tools.evaluate(
        """({changes, key}) => {
            form.reset();
            for (const [name, value] of Object.entries(changes)) form.elements[name].value = value;
            document.getElementById('fixed').checked = 'address' in changes;
            form.dispatchEvent(new Event('input'));
            form.requestSubmit();
            const input = document.getElementById(key), line = document.getElementById(key + '-error');
            return { flashing: document.getElementById('stage').open, text: line && line.textContent,
                     beside: line && line.closest('.field') === input.closest('.field'),
                     seen: line && line.checkVisibility(), invalid: input.getAttribute('aria-invalid'),
                     described: input.matches(`[aria-describedby~="${key}-error"]`),
                     focus: document.activeElement.id,
                     summary: document.getElementById('summary').textContent,
                     others: document.querySelectorAll('.error').length };
        }""",
        {"changes": {"ssid": "testnet", **changes}, "key": key},
    )
    assert reason in (state.pop("text") or "")
    marked = {"beside": True, "seen": True, "invalid": "true", "described": True, "focus": key}
    assert state == {"flashing": False, **marked, "summary": "", "others": 1}


def test_a_refusal_goes_as_soon_as_it_is_mended(opened: Open) -> None:
    page = opened("?ssid=testnet")
    page.fill("#password", "short")
    assert page.locator(".error").count() == 0  # not while it is being typed for the first time
    page.press("#password", "Tab")
    assert page.locator("#password-error").is_visible()
    page.fill("#password", SECRET)
    assert page.locator(".error").count() == 0
    assert page.get_attribute("#password", "aria-invalid") is None
    assert page.get_attribute("#password", "aria-describedby") == "password-hint password-doubt"


def test_a_space_around_a_name_is_sent_but_pointed_out(opened: Open) -> None:
    page = opened("?ssid=%20testnet%20", clock=True)
    assert "begins or ends with a space" in page.inner_text("#ssid-doubt")
    page.click("#start")
    assert page.locator("#stage").is_visible()
    run(page, 30)
    sent = passes_of(frames(page))
    assert sent[0] == reference.packet(reference.records(entries(ssid=" testnet ")))


def test_hidden_parts_of_the_form_neither_refuse_nor_are_sent(opened: Open) -> None:
    page = opened("?ssid=x&address=bad&server=bad&proxyPort=bad&mode=clear&rate=60", clock=True)
    page.click("#start")
    run(page, 12)
    assert passes_of(frames(page))[0] == reference.packet(reference.records(entries(mode="clear")))


def test_the_password_is_only_shown_on_request(opened: Open) -> None:
    page = opened("?ssid=testnet")
    assert page.get_attribute("#password", "type") == "password"
    page.click(".show >> nth=0")
    assert page.get_attribute("#password", "type") == "text"
    page.click("#start")
    assert page.get_attribute("#password", "type") == "password"


def test_the_address_fills_the_form_in(opened: Open) -> None:
    query = {"ssid": "Café Nº5 ☕", "rate": "60", "size": "medium", "add": "1", "server": "https://u.test"}
    query |= {**FIXED, **PROXY}
    page = opened("?" + urlencode(query))
    for key in ("ssid", "server", *FIXED, *PROXY):
        assert page.input_value(f"#{key}") == query[key]
    assert page.is_checked("#add") and page.is_checked("#fixed")
    assert page.evaluate("[form.elements.rate.value, form.elements.size.value]") == ["60", "medium"]
    assert page.locator(".error").count() == 0


def test_nonsense_in_the_address_changes_nothing(opened: Open) -> None:
    page = opened("?rate=25&size=huge&mode=x&__proto__=1&constructor=2#%%%")
    chosen = page.evaluate("['rate', 'size', 'mode'].map(key => form.elements[key].value)")
    assert chosen == ["30", "small", "network"]


def test_a_password_is_taken_from_the_fragment_and_removed_from_the_address(opened: Open) -> None:
    page = opened(f"?ssid=testnet#password={quote(SECRET)}")
    assert page.input_value("#password") == SECRET
    assert page.url == PAGE + "?ssid=testnet"


def test_a_password_in_the_query_is_not_taken_and_removed_from_the_address(opened: Open) -> None:
    page = opened(f"?ssid=testnet&password={quote(SECRET)}")
    assert page.input_value("#password") == ""
    assert "password" not in page.url and "testnet" in page.url
    assert "was not taken" in page.inner_text("#outcome")


def test_after_a_stop_the_password_is_nowhere_but_in_its_hidden_field(opened: Open) -> None:
    page = opened(f"?ssid=testnet#password={quote(SECRET)}", clock=True)
    page.click(".show >> nth=0")
    page.click("#start")
    run(page, 10)
    page.keyboard.press("Escape")
    places = page.evaluate(
        "[document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify(history.state),"
        " JSON.stringify({...localStorage, ...sessionStorage})]"
    )
    assert not [place for place in places if SECRET in place or quote(SECRET) in place]
    assert page.get_attribute("#password", "type") == "password"
    page.reload()
    assert page.input_value("#password") == ""


AROUND = b"<!doctype html><link rel=icon href=data:,><iframe id=inner width=400 height=600></iframe>"
UNTIL_WHITE = """new Promise(done =>
    addEventListener('lutin-frame', event => event.detail.level > 0.9 && done()))"""

# ---- the light -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [30, 60])
def test_the_painted_light_gives_the_packet_back_pass_after_pass(opened: Open, rate: int) -> None:
    form = entries(ssid="testnet", password="hunter22", add=True)
    expected = reference.packet(reference.records(form))
    page = opened(f"?ssid=testnet&add=1&rate={rate}#password=hunter22", clock=True)
    page.click("#start")
    one_pass = len(reference.symbols(expected)) / rate
    run(page, 3 + 2.3 * one_pass)
    page.keyboard.press("Escape")
    seen = frames(page)
    assert passes_of(seen) == [expected, expected]
    assert {round(level, 4) for _, level in seen} == {0.0, GREY, 1.0}
    assert all(a < b for (a, _), (b, _) in pairwise(seen))
    assert seen[-1][1] == 0.0
    assert page.inner_text("#outcome").startswith("Stopped. 2 passes were sent whole.")


def test_in_real_time_the_light_gives_the_packet_back_across_passes(opened: Open) -> None:
    page = opened("?mode=clear&rate=60")
    page.click("#start")
    sync_api.expect(page.locator("#stage-state")).to_contain_text("Pass 2.", timeout=60_000)
    page.evaluate(UNTIL_WHITE)  # beyond the sync of the second pass
    page.keyboard.press("Escape")
    assert passes_of(frames(page)) == [reference.packet(reference.records(entries(mode="clear")))]
    assert len(bits_of(frames(page))) > 8 * 12 + 16 + 16


def test_passes_are_set_apart_by_the_longest_black_of_all(opened: Open) -> None:
    page = opened("?mode=clear&rate=60", clock=True)
    page.click("#start")
    run(page, 12)
    seen = frames(page)
    runs = [(symbol, len(list(group))) for symbol, group in groupby(kind(level) for _, level in seen)]
    blacks = [length for symbol, length in runs if symbol == "-"][1:]  # without the countdown
    pulses = 16 + 8 * 12
    assert [n for n, length in enumerate(blacks) if length == max(blacks)] == [pulses - 1, 2 * pulses - 1]


def test_a_countdown_in_black_comes_first(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    said = []
    for _ in range(3):
        run(page, 0.9)
        said.append(page.inner_text("#stage-state"))
    assert said == ["Starting in 3", "Starting in 2", "Starting in 1"]
    assert len(frames(page)) > 100 and {level for _, level in frames(page)} == {0.0}
    run(page, 1)
    assert page.inner_text("#stage-state").startswith("Pass 1. One pass takes ")
    assert {kind(level) for _, level in frames(page)} == {"-", "g"}


def test_the_pixels_are_what_the_events_say(opened: Open, tools: Any) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    run(page, 3)
    box = page.locator("#square").bounding_box()
    found: dict[str, list[int]] = {}
    for _ in range(400):
        run(page, 0.032)
        symbol = kind(page.evaluate("seen.at(-1)[1]"))
        if symbol in found:
            continue
        picture = base64.b64encode(page.screenshot(clip=box)).decode()
        found[symbol] = tools.evaluate(
            """async data => {
                const image = new Image();
                image.src = 'data:image/png;base64,' + data;
                await image.decode();
                const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
                context.drawImage(image, 0, 0);
                const pixels = context.getImageData(2, 2, image.width - 4, image.height - 4).data;
                return [...new Set(pixels)].filter(value => value !== 255 || pixels[0] === 255);
            }""",
            picture,
        )
        if len(found) == 3:
            break
    assert found == {"-": [0], "g": [188], "W": [255]}


def test_the_painted_colour_is_told_and_not_the_intended_one(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.evaluate(
        """() => {
            square.style.setProperty('background-color', 'rgb(0, 255, 0)', 'important');
            Object.defineProperty(square.style, 'backgroundColor', {set() {}});
        }"""
    )
    page.click("#start")
    run(page, 6)
    assert {round(level, 4) for _, level in frames(page)} == {0.7152}
    assert "changes the colours" in page.inner_text("#stage-frames")


def test_the_square_keeps_to_the_area_of_wcag_unless_asked_for_more(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True, viewport={"width": 1280, "height": 800})
    sizes = {}
    for size in ("small", "medium", "large"):
        page.evaluate("size => { form.elements.size.value = size; }", size)
        page.click("#start")
        box = page.locator("#square").bounding_box()
        sizes[size] = (box["width"], box["height"])
        page.keyboard.press("Escape")
    width, height = sizes["small"]
    assert width * height <= 341 * 256 / 4
    assert sizes["medium"][0] <= 341 and sizes["medium"][1] <= 256
    assert sizes["large"][1] > 256


def test_nothing_but_the_square_changes_while_a_pass_runs(opened: Open) -> None:
    page = opened("?ssid=testnet&rate=60", clock=True)
    page.click("#start")
    run(page, 3.2)
    page.evaluate(
        """() => {
            window.changes = new Set();
            const note = list => list.forEach(({target}) => changes.add(target.id || target.nodeName));
            const all = {subtree: true, childList: true, attributes: true, characterData: true};
            new MutationObserver(note).observe(document, all);
        }"""
    )
    before = page.locator("#square").bounding_box()
    run(page, 5)
    assert page.evaluate("[...changes]") == ["square"]
    assert page.locator("#square").bounding_box() == before
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("getComputedStyle(stage).backgroundColor") == "rgb(0, 0, 0)"


def test_the_first_word_to_the_person_is_a_warning_about_flashes(opened: Open) -> None:
    page = opened()
    warning = page.locator("#flash-warning")
    assert warning.is_visible() and "seizures" in warning.inner_text()
    assert warning.bounding_box()["y"] < page.locator("#start").bounding_box()["y"]


# ---- pace ----------------------------------------------------------------------------------------

PACE = """({rate, stamps}) => {
    const meter = LutinPace.createMeter(), pacer = LutinPace.createPacer(rate);
    const shown = [];
    let dropped = 0;
    stamps.forEach((now, n) => {
        const lost = meter.add(now);
        if (n < 180) return;
        dropped += lost;
        if (n === 180) { pacer.start(now); shown.push(0); }
        else if (pacer.due(now, meter.period())) shown.push(0);
        shown[shown.length - 1] += 1;
    });
    return { shown: shown.slice(0, -1), dropped, period: meter.period() };
}"""


def display(hz: float, count: int = 1200, jitter: float = 0.0, lost: set[int] | None = None) -> list[float]:
    """Timestamps (ms) of animation frames; those in lost did not come."""
    chance = random.Random(7)
    stamps = [1000 + n * 1000 / hz + chance.uniform(-jitter, jitter) for n in range(count)]
    return [stamp for n, stamp in enumerate(stamps) if n not in (lost or set())]


@pytest.mark.parametrize(
    ("rate", "hz", "each"),
    [
        (60, 60, 1), (30, 60, 2), (20, 60, 3), (60, 59.94, 1), (60, 58.6, 1), (60, 120, 2), (30, 120, 4),
        (30, 90, 3), (20, 120, 6), (30, 144, 5), (20, 144, 7), (60, 240, 4), (60, 30, 1), (60, 50, 1),
    ],
)  # fmt: skip
def test_each_symbol_gets_the_same_number_of_frames(tools: Any, rate: int, hz: float, each: int) -> None:
    jitter = 0.2 * 1000 / hz
    result = tools.evaluate(PACE, {"rate": rate, "stamps": display(hz, jitter=jitter)})
    assert set(result["shown"]) == {each}
    assert result["dropped"] == 0
    planned = tools.evaluate("hz_rate => LutinPace.plan(hz_rate[1], 1000 / hz_rate[0]).symbol", [hz, rate])
    assert planned == pytest.approx(each * 1000 / hz)  # what the page says a pass takes


@pytest.mark.parametrize(("rate", "hz"), [(60, 75), (60, 90), (60, 100), (60, 144), (30, 75), (20, 75)])
def test_where_no_whole_number_fits_symbols_keep_to_their_time(tools: Any, rate: int, hz: float) -> None:
    shown = tools.evaluate(PACE, {"rate": rate, "stamps": display(hz, jitter=0.5)})["shown"]
    assert set(shown) == {int(hz / rate), int(hz / rate) + 1}
    assert sum(shown) / len(shown) == pytest.approx(hz / rate, rel=0.02)


def test_whole_millisecond_clocks_are_as_good_as_fine_ones(tools: Any) -> None:
    stamps = [float(int(stamp)) for stamp in display(60)]
    assert set(tools.evaluate(PACE, {"rate": 60, "stamps": stamps})["shown"]) == {1}


@pytest.mark.parametrize("rate", [60, 30])
def test_a_late_frame_makes_a_symbol_longer_and_never_the_next_one_shorter(tools: Any, rate: int) -> None:
    lost = {300, 401, 402, 500, 501, 502, 503, 777}
    stamps = display(60, lost=lost, jitter=1)
    result = tools.evaluate(PACE, {"rate": rate, "stamps": stamps})
    assert result["dropped"] == len(lost)
    at = 180
    lasted = []
    for frames_shown in result["shown"]:
        lasted.append((stamps[at + frames_shown] - stamps[at]) * 60 / 1000)
        at += frames_shown
    assert min(map(round, lasted)) == 60 / rate


def test_where_no_whole_number_fits_lost_time_is_not_made_up_for(tools: Any) -> None:
    lost = set(range(400, 410))
    shown = tools.evaluate(PACE, {"rate": 60, "stamps": display(75, lost=lost)})["shown"]
    before = 176  # symbols shown before the frames were lost: 220 frames by 60/75
    assert all(2 in shown[n : n + 6] for n in range(before - 20, before + 20))


def test_a_frame_told_twice_is_not_a_symbol(tools: Any) -> None:
    stamps = [stamp + again for stamp in display(60) for again in (0.0, 0.4)]
    result = tools.evaluate(PACE, {"rate": 60, "stamps": stamps})
    assert set(result["shown"]) == {2}
    assert result["dropped"] == 0


@pytest.mark.parametrize(("before", "after", "each"), [(60, 120, 2), (120, 60, 1)])
def test_a_display_that_changes_its_rate_is_followed(
    tools: Any, before: float, after: float, each: int
) -> None:
    first = display(before, 600)
    second = [first[-1] + stamp - 1000 + 1000 / after for stamp in display(after, 600)]
    result = tools.evaluate(PACE, {"rate": 60, "stamps": first + second})
    assert set(result["shown"][-250:]) == {each}
    assert result["dropped"] < 10  # at first the new frames look late


def test_dropped_frames_are_counted_and_a_lower_rate_is_advised(opened: Open) -> None:
    page = opened("?ssid=testnet&rate=60", clock=True)
    page.click("#start")
    run(page, 4)
    assert page.inner_text("#stage-frames") == ""
    for _ in range(10):
        page.clock.fast_forward(50)
        run(page, 0.1)
    run(page, 1.1)
    said = page.inner_text("#stage-frames")
    assert said.startswith("Frames dropped: ") and "choose a lower rate" in said


# ---- manners -------------------------------------------------------------------------------------


def test_the_keyboard_starts_and_stops_it(opened: Open) -> None:
    page = opened(clock=True)
    page.keyboard.press("Tab")  # to the kind of packet
    page.keyboard.press("Tab")
    page.keyboard.type("testnet")
    page.keyboard.press("Enter")
    assert page.locator("#stage").is_visible()
    assert page.evaluate("document.activeElement.id") == "stop"
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.press("Escape")
    assert not page.locator("#stage").is_visible()
    assert page.evaluate("document.activeElement.id") == "start"
    assert page.inner_text("#outcome") == "Stopped. No pass was completed."
    page.keyboard.press("Enter")
    assert page.locator("#stage").is_visible()
    page.keyboard.press("Enter")
    assert not page.locator("#stage").is_visible()


def test_the_enter_that_starts_it_does_not_stop_it_while_held(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.focus("#ssid")
    for _ in range(4):
        page.keyboard.down("Enter")
    assert page.locator("#stage").is_visible() and page.inner_text("#outcome") == ""
    page.keyboard.up("Enter")
    assert page.locator("#stage").is_visible()


def test_the_enter_that_stops_it_does_not_start_it_again_while_held(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    for _ in range(4):
        page.keyboard.down("Enter")
    assert not page.locator("#stage").is_visible() and page.inner_text("#outcome") != ""
    page.keyboard.up("Enter")


def test_after_a_stop_no_more_is_told_and_a_new_start_begins_anew(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    run(page, 6)
    page.click("#stop")
    count = len(frames(page))
    run(page, 1)
    assert len(frames(page)) == count
    page.evaluate("seen.length = 0")
    page.click("#start")
    run(page, 40)
    assert passes_of(frames(page)) == [reference.packet(reference.records(entries(ssid="testnet")))] * 3


def test_the_last_word_never_comes_before_the_one_before(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    run(page, 4)
    page.evaluate("performance.now = () => 0")  # a browser whose two clocks disagree
    page.keyboard.press("Escape")
    assert all(a < b for (a, _), (b, _) in pairwise(frames(page)))
    assert len(frames(page)) > 200


def test_a_hidden_page_stops(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True)
    page.click("#start")
    run(page, 5)
    page.evaluate(
        """Object.defineProperty(document, 'hidden', {value: true}),
        document.dispatchEvent(new Event('visibilitychange'))"""
    )
    assert not page.locator("#stage").is_visible()
    assert "because the page was hidden" in page.inner_text("#outcome")
    assert frames(page)[-1][1] == 0.0


WAKE = """
    window.awake = [];
    const lock = { release: async () => { awake.push('released'); } };
    const request = async kind => { awake.push(kind); return lock; };
    Object.defineProperty(navigator, 'wakeLock', { value: { request } });
"""


def test_the_screen_is_kept_awake_while_it_flashes(opened: Open) -> None:
    page = opened("?ssid=testnet", clock=True, init=WAKE)
    page.click("#start")
    run(page, 1)
    assert page.evaluate("awake") == ["screen"]
    page.keyboard.press("Escape")
    assert page.evaluate("awake") == ["screen", "released"]


@pytest.mark.parametrize("value", ["undefined", "{ request: async () => { throw new Error('no'); } }"])
def test_it_flashes_where_the_screen_cannot_be_kept_awake(opened: Open, value: str) -> None:
    init = f"Object.defineProperty(navigator, 'wakeLock', {{ value: {value} }});"
    page = opened("?mode=clear&rate=60", clock=True, init=init)
    page.click("#start")
    run(page, 8)
    page.keyboard.press("Escape")
    assert passes_of(frames(page))
    assert page.inner_text("#outcome").startswith("Stopped. One pass was sent whole.")


@pytest.mark.parametrize(("width", "colours"), [(320, "dark"), (360, "light"), (1280, "light")])
def test_nothing_is_wider_than_the_screen(opened: Open, width: int, colours: str) -> None:
    query = "?size=large&" + urlencode({**FIXED, **PROXY, "server": LONG})
    screen = {"width": width, "height": 640}
    page = opened(query, clock=True, color_scheme=colours, viewport=screen)
    page.click("#start")  # refused: the error lines are there too
    measure = "[document.documentElement.scrollWidth, stage.scrollWidth].every(size => size <= innerWidth)"
    assert page.evaluate(measure)
    page.fill("#ssid", "testnet")
    page.fill("#server", "")
    page.click("#start")
    run(page, 4)
    assert page.evaluate(measure) and page.evaluate("stage.scrollHeight <= innerHeight")
    grounds = {"light": "rgb(246, 246, 243)", "dark": "rgb(21, 22, 23)"}
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == grounds[colours]


def test_everything_to_touch_has_a_name_and_is_large_enough(opened: Open) -> None:
    page = opened("?more=1", viewport={"width": 360, "height": 640})
    page.evaluate("document.getElementById('more').open = true; document.getElementById('fixed').click()")
    poor = page.evaluate(
        """[...form.querySelectorAll('input, button, summary')].filter(one => {
            const target = one.closest('label') || one, label = one.labels && one.labels[0];
            const named = one.getAttribute('aria-label') || (label || one).textContent.trim();
            return !named || target.getBoundingClientRect().height < 43;
        }).map(one => one.id || one.outerHTML)"""
    )
    assert poor == []


def files_of(requested: list[str]) -> list[str]:
    return sorted(address.split("#")[0].split("?")[0].rsplit("/", 1)[-1] for address in requested)


@pytest.mark.parametrize("served", [False, True])
def test_nothing_is_asked_of_any_network(opened: Open, site: str, served: bool) -> None:
    requested: list[str] = []
    page = opened(base="about:blank", clock=True)
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{site if served else PAGE}?ssid=testnet&rate=60")
    page.click("#start")
    run(page, 20)
    page.keyboard.press("Escape")
    own = ["encoder.js", "index.html", "pace.js", "rules.js", "sender.css", "sender.js"]
    assert files_of([address for address in requested if not address.startswith("data:")]) == own
    assert {address.split(":")[0] for address in requested} <= {"http" if served else "file", "data"}
    assert passes_of(frames(page))


def test_the_policy_lets_nothing_out(opened: Open, site: str) -> None:
    page = opened("?ssid=testnet", base=site)
    rules = page.get_attribute("meta[http-equiv]", "content").split("; ")
    assert rules[0] == "default-src 'none'"
    assert not [rule for rule in rules if "unsafe" in rule or "*" in rule or "http" in rule]
    assert page.locator("script:not([src]), style, [style], [onclick]").count() == 0


def test_a_page_around_it_on_the_same_server_is_told_each_frame(opened: Open, site: str) -> None:
    page = opened(base=site.replace("index", "around"), clock=True)
    page.evaluate(
        """address => {
            window.heard = [];
            addEventListener('message', event => heard.push({ ...event.data, origin: event.origin }));
            document.getElementById('inner').src = address;
        }""",
        site + "?mode=clear&rate=60",
    )
    inner = page.frame_locator("#inner")
    inner.locator("#start").click()
    run(page, 8)
    page.keyboard.press("Escape")
    told = page.frames[1].evaluate("seen.length")
    page.evaluate(
        """told => new Promise(done => {
            const all = () => heard.length >= told && done();
            addEventListener('message', all);
            all();
        })""",
        told,
    )
    heard = page.evaluate("heard")
    assert passes_of([(one["us"], one["level"]) for one in heard])
    assert {one["lutin"] for one in heard} == {"frame"}
    assert {one["origin"] for one in heard} == {site.rsplit("/", 1)[0]}
    assert all(a["us"] < b["us"] for a, b in pairwise(heard))
    assert heard[-1]["level"] == 0


def test_a_strangers_page_around_it_is_told_nothing(opened: Open, site: str) -> None:
    page = opened(base=site.replace("index", "around").replace("127.0.0.1", "localhost"), clock=True)
    page.evaluate(
        """address => {
            window.heard = 0;
            addEventListener('message', () => { heard += 1; });
            document.getElementById('inner').src = address;
        }""",
        site + "?mode=clear&rate=60",
    )
    page.frame_locator("#inner").locator("#start").click()
    run(page, 4)
    assert page.frames[1].evaluate("seen.length") > 0
    assert page.evaluate("heard") == 0
