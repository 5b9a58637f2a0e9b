"""The whole way in real light: the sender flashes on a real screen, and the board joins the network.

What reaches the sensor is what Chromium painted: ffmpeg reads the square's pixels off the X server,
240 times a second, and the page's own reports of its frames are ignored.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from unixport import ROOT, micropython

try:
    from playwright.sync_api import Page, expect, sync_playwright
except ImportError:  # the reason is printed below
    sync_playwright = None

SIZE = (1280, 960)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = [
    name
    for name, found in (
        ("xvfb", shutil.which("Xvfb")),
        ("ffmpeg", shutil.which("ffmpeg")),
        ("chromium", CHROMIUM),
        ("micropython", micropython()),
        ("playwright (PyPI)", sync_playwright),
    )
    if not found
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --kiosk --window-position=0,0 --force-device-scale-factor=1 "
    f"--window-size={SIZE[0]},{SIZE[1]}"
).split()


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of its own, on a free display number."""
    read, write = os.pipe()
    xvfb = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    end(xvfb)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """`lutin run` on a new board whose sensor sees the pixels that come through a FIFO."""
    fifo = tmp_path / "pixels"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "lutin_tools.cli", "run", "--port", "0", "--no-browser", "--reset"]
    server = subprocess.Popen(
        [*command, "--state", str(tmp_path / "desk"), "--light", f"pixels:{fifo}"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    said = iter(server.stdout.readline, "")
    url = next((found[0] for line in said if (found := re.search(r"bench is at (http://\S+)", line))), "")
    assert url, "the bench did not start"
    yield url.split(" at ")[1], fifo
    end(server)


@pytest.fixture
def page(display: str, tmp_path: Path) -> Iterator[Page]:
    """A window that fills the screen."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=CHROMIUM,
            headless=False,
            no_viewport=True,
            args=FLAGS,
            env={**os.environ, "DISPLAY": display},
        )
        yield context.pages[0]
        context.close()


@contextlib.contextmanager
def camera(display: str, x: int, y: int, fifo: Path) -> Iterator[None]:
    """8 x 8 pixels of the screen, 240 times a second, into the FIFO."""
    grab = f"-f x11grab -draw_mouse 0 -framerate 240 -video_size 8x8 -i {display}.0+{x},{y}"
    out = f"-fps_mode cfr -r 240 -pix_fmt rgb24 -f rawvideo -flush_packets 1 {fifo}"
    ffmpeg = subprocess.Popen(
        ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-fflags", "nobuffer", "-probesize", "32"]
        + f"{grab} {out}".split()
    )
    try:
        yield
    finally:
        end(ffmpeg)


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def until(what: str, true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def console(page: Page) -> str:
    return page.locator("#console-lines").inner_text()


@pytest.mark.parametrize("rate", [60])
def test_a_network_painted_on_the_screen_is_stored_and_joined(
    rate: int, display: str, bench: tuple[str, Path], page: Page
) -> None:
    url, fifo = bench
    page.goto(url)
    expect(page.locator("#state-name")).to_have_text("no-settings", timeout=20_000)
    expect(page.locator("#sender-note")).to_have_text("the sensor reads the screen's pixels")
    page.locator("#air-form [name=ssid]").fill("Painted net")
    page.locator("#air-form [name=password]").fill("all by light")
    page.locator("#air-form button").click()
    expect(page.locator(".ap-name", has_text="Painted net")).to_be_visible()

    sender = page.frame_locator("#sender-frame")
    sender.locator("#ssid").fill("Painted net")
    sender.locator("#password").fill("all by light")
    sender.locator("#more summary").click()
    sender.locator(f"input[name=rate][value='{rate}']").check(force=True)
    sender.locator("#start").click()
    square = sender.locator("#square")
    expect(square).to_be_visible()
    last: list[Any] = [None]

    def still() -> bool:
        before, last[0] = last[0], square.bounding_box()
        return before is not None and before == last[0]

    until("the square stands still", still, 10)
    left, top = page.evaluate("[screenX + outerWidth - innerWidth, screenY + outerHeight - innerHeight]")
    box = last[0]
    x, y = (int(left + box["x"] + box["width"] / 2 - 4), int(top + box["y"] + box["height"] / 2 - 4))
    with camera(display, x, y, fifo):
        # Pass after pass, as the page does until somebody stops it: a busy machine drops frames.
        until("BlinkUp stored", lambda: "Painted net" in page.locator("#settings").inner_text(), 150)
        sender.locator("#stop").click()
    expect(page.locator("#network-lead")).to_have_text("On Painted net", timeout=30_000)
    expect(page.locator("#state-sentence")).to_have_text("Connected.", timeout=30_000)
    expect(page.locator("#network-facts")).to_contain_text("192.168.")
    expect(page.locator(".ap", has_text="Painted net")).to_contain_text("joined")
    expect(page.locator("#flash-rows")).to_contain_text(re.compile(r"settings, \d+ s old"))
    assert "all by light" not in page.locator("#settings").inner_text() + console(page)


def test_the_sensor_stays_dark_when_nobody_looks_at_the_screen(
    display: str, bench: tuple[str, Path], page: Page
) -> None:
    """The control: without the camera the sender's own frames reach nothing."""
    url, _ = bench
    page.goto(url)
    expect(page.locator("#state-name")).to_have_text("no-settings", timeout=20_000)
    sender = page.frame_locator("#sender-frame")
    sender.locator("#ssid").fill("Painted net")
    sender.locator("#start").click()
    expect(sender.locator("#stage-state")).to_contain_text("Pass 1", timeout=20_000)
    expect(page.locator("#reading")).to_contain_text("of 65535")
    page.evaluate(BRIGHTEST)
    for _ in range(3):  # seconds of the board's life, in the middle of a packet
        page.wait_for_function(
            "was => document.getElementById('board-facts').innerText !== was", arg=board(page)
        )
    assert 0 <= page.evaluate("window.brightest") < 3000
    sender.locator("#stop").click()


# Remembers the highest reading of the sensor from now on.
BRIGHTEST = """() => {
  const reading = document.getElementById('reading');
  window.brightest = parseInt(reading.textContent);
  new MutationObserver(() => { window.brightest = Math.max(window.brightest, parseInt(reading.textContent)); })
    .observe(reading, { childList: true, characterData: true, subtree: true });
}"""


def board(page: Page) -> str:
    return page.locator("#board-facts").inner_text()
