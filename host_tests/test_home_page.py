"""The page of `lutin serve` in Chromium, with three simulated boards that run this tree."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_device import FakeDevice
from homeserver import HomeServer
from lutin_tools.bench import server as bench
from lutin_tools.bench.supervisor import Board
from unixport import ROOT
from wholeboard import HOME, KEY, filesystem, publish
from wholeboard import Board as Flashed

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
expect = sync_api.expect
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium: apt-get install chromium", allow_module_level=True)

DEADLINE = 30  # s
NAMES = ("Attic", "Barn", "")  # the third has no broker in its settings, and so finds this one


class Boards:
    """Three boards in real time, as `lutin run` starts them, each with an id of its own."""

    def __init__(self, folder: Path, home: HomeServer) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.heard: list[list[dict[str, Any]]] = [[], [], []]
        url = f"http://127.0.0.1:{home.releases}/"
        files = filesystem.board_files("unix", KEY, 1)
        self.boards = []
        for n, name in enumerate(NAMES):
            state = folder / str(n)
            state.mkdir()
            settings = {**HOME, "server": url, "name": name}
            if name:
                settings["broker"] = f"mqtt://127.0.0.1:{home.broker}"
            Flashed(state, files).touch("settings", settings)
            command = bench.board_command()
            env = {
                "MICROPYPATH": bench._PATH,
                "LUTIN_STATE": str(state),
                "LUTIN_MULTICAST": "127.0.0.1:5353",
                "LUTIN_MAC": (b"board%d" % n).hex(),
            }
            self.boards.append(Board(command, env, str(ROOT), self.heard[n].append, pause=0.05))
        for board in self.boards:
            self.do(board.start())

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def cut(self, n: int) -> None:
        """The plug is pulled."""
        self.loop.call_soon_threadsafe(self.boards[n].power, False)

    def close(self) -> None:
        for board in self.boards:
            self.do(board.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


def card(page: Any, n: int) -> Any:
    return page.locator(f".device[data-id='{b'board'.hex()}3{n}']")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeServer]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "releases").mkdir()
    publish(folder / "releases", 1)
    served = HomeServer(folder, "--mdns-interface", "127.0.0.1", key=True)
    yield served
    served.close()


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory, home: HomeServer) -> Iterator[Boards]:
    three = Boards(tmp_path_factory.mktemp("boards"), home)
    yield three
    three.close()


@pytest.fixture(scope="module")
def page(home: HomeServer, boards: Boards) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console", lambda line: faults.append(line.text) if line.type in ("error", "warning") else None
        )
        page.set_default_timeout(DEADLINE * 1000)
        expect.set_options(timeout=DEADLINE * 1000)
        page.goto(home.url)
        yield page
        assert faults == []
        browser.close()


def test_all_boards_appear_with_their_light_and_their_lines_come_live(page: Any) -> None:
    for n, name in enumerate(NAMES):
        expect(card(page, n).locator(".device-badge")).to_have_text("online")
        expect(card(page, n).locator(".device-name")).to_have_text(name or f"{b'board'.hex()}3{n}")
        expect(card(page, n).locator(".device-sentence")).to_have_text("Connected.")
        expect(card(page, n).locator(".lens")).to_have_attribute("aria-label", "LED: flashes long green")
    for colour in ("green", "off", "green"):  # as the pattern says
        expect(card(page, 0).locator(".lens")).to_have_attribute("data-colour", colour)
    expect(page.locator("#count")).to_have_text("3 of 3 online")
    expect(page.locator("#line-list li", has_text="wifi: connected to 'Home'")).to_have_count(3)


def test_the_log_is_searched_by_words_level_and_device(page: Any, home: HomeServer) -> None:
    device = FakeDevice(home.broker, "fake", "<i>Fake</i>").there()
    device.status(release=None)
    device.log("pump: dry <img src=x onerror=alert(1)>", "error")
    device.seq += 7
    device.log("pump: on again")
    lines = page.locator("#line-list li")
    expect(lines.filter(has_text="pump: dry <img src=x")).to_have_count(1)
    expect(lines.filter(has_text="7 lines lost")).to_have_class(re.compile("gap"))
    page.get_by_label("Words").fill("PUMP again")
    expect(lines).to_have_count(1)
    page.get_by_label("Words").fill("")
    page.locator("#search-level").select_option("error")
    expect(lines).to_have_count(1)
    device.log("not an error")
    device.log("another", "error")
    expect(lines).to_have_count(2)  # live lines are searched, too
    page.get_by_role("button", name="Show all").click()
    page.locator("#search-device").select_option(label="<i>Fake</i>")
    expect(lines).to_have_count(5)  # with the gap
    page.get_by_role("button", name="Show all").click()
    expect(lines.filter(has_text="wifi: connected")).to_have_count(3)
    assert page.locator("main img, main i:not(.bars i)").count() == 0
    device.close()


def test_a_press_reaches_the_board(page: Any, boards: Boards) -> None:
    card(page, 0).get_by_role("button", name="Identify").click()
    expect(page.locator("#line-list li", has_text=re.compile("identify"))).not_to_have_count(0)
    expect(card(page, 0).locator(".device-buttons .sent")).to_have_text("Identify")


def test_a_board_that_is_cut_off_goes_offline(page: Any, boards: Boards) -> None:
    boards.cut(1)
    expect(card(page, 1).locator(".device-badge")).to_have_text("offline")
    expect(card(page, 1).locator(".device-sentence")).to_have_text(re.compile("Last heard"))
    expect(card(page, 1).locator(".lens")).to_have_attribute("aria-label", "LED: off")
    expect(card(page, 1).get_by_role("button", name="Restart")).to_be_hidden()
    expect(card(page, 1).locator(".device-brief")).to_contain_text("last on Home")


def test_a_board_that_found_this_server_is_made_mine_with_one_press(page: Any, home: HomeServer) -> None:
    expect(card(page, 2).get_by_role("button", name="Restart")).to_be_hidden()
    card(page, 2).get_by_role("button", name="Make this board mine").click()
    frame = page.frame_locator("#claim-frame")
    expect(frame.locator("#broker")).to_have_value(f"mqtt://127.0.0.1:{home.broker}")
    expect(frame.locator("#server")).to_have_value(f"http://127.0.0.1:{home.releases}/")
    expect(frame.locator("#ssid")).to_be_hidden()
    frame.locator("#start").click()
    expect(frame.locator("#stage-state")).to_have_text(re.compile("Starting in"))
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#claim")).to_be_hidden()


def test_the_button_publishes_and_the_board_takes_it(page: Any) -> None:
    page.get_by_label("Version, for people").fill("spring")
    page.get_by_role("button", name="Publish this tree").click()
    expect(page.locator("#publish-result")).to_have_text(re.compile("Release 2 is published"))
    expect(page.locator("#release-lead")).to_have_text("Release 2 (spring)")
    card(page, 0).get_by_role("button", name="Update now").click()
    expect(page.locator("#line-list li", has_text="release 2 is on trial after the restart")).to_have_count(1)


def test_it_is_for_keyboards_narrow_screens_and_eyes_that_want_no_motion(page: Any) -> None:
    page.reload()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the devices")
    expect(card(page, 2).locator(".device-sentence")).to_have_text("Connected.")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, summary, a")].filter((e) => e.checkVisibility() &&
        !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    page.emulate_media(reduced_motion="reduce")
    expect(card(page, 2).locator(".lens")).to_have_attribute("data-colour", "green")
    for width in (1280, 800, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
