"""Updates of a whole board: from power-on, over a real socket, to the release that it ends up with."""

from __future__ import annotations

import shutil
from pathlib import Path

import imagemaker
import pytest
import wholeboard
from lutin_tools.release import build, spoil
from lutin_tools.release import keys as tools_keys
from wholeboard import KEY, KEYS, Board, Server, publish

MINUTE = 60000
HOUR = 60 * MINUTE


def application(folder: Path) -> Path:
    """A small application, with a file that no board has yet."""
    app = folder.parent / "app"
    app.mkdir()
    (app / "__init__.py").write_text(
        "import asyncio\nasync def main(imp):\n    imp.log('hello')\n    await asyncio.sleep(10**6)\n"
    )
    (app / "data.bin").write_bytes(bytes(i * i >> 3 & 0xFF for i in range(20000)))
    return app


def settled_on(number: int) -> object:
    return lambda report: (
        report["update"]["number"] == number
        and not report["update"]["trial"]
        and report["state"]["name"] == "connected"
    )


def test_a_published_release_is_fetched_tried_and_kept(board: Board, server: Server) -> None:
    publish(server.folder, 2, app=application(server.folder))
    board.on(1000)
    assert board.until(settled_on(2), 3 * MINUTE)
    assert board.ends == [wholeboard.RESET]
    said = [line.split("state: ")[1] for line in board.lines if "state: " in line]
    at = said.index("downloading (release 2)")
    assert said[at + 1] == "installing (release 2)"
    assert any("app: hello" in line for line in board.console())
    update = board.update()
    assert (update["slot"], update["home"], update["highest"], update["failure"]) == ("a", "a", 2, None)
    # Nothing restarts it later, and it is still there after a power cut.
    board.run(15 * MINUTE)
    assert board.ends == [wholeboard.RESET]
    board.off()
    board.on(MINUTE)
    assert settled_on(2)(board.report())  # type: ignore[operator]


@pytest.mark.parametrize(
    "kind",
    ["hangs", "crashes-at-import", "crashes-later", "never-reaches-network", "eats-memory", "app-crashes"],
)
def test_a_bad_release_is_left_after_three_boots_never_tried_again_and_the_next_one_taken(
    board: Board, server: Server, kind: str
) -> None:
    publish(server.folder, 2)
    spoil.spoil(kind, server.folder, [KEY], 3, boards=["unix"])
    board.on(1000)
    assert board.until(lambda report: report["update"]["rejected"] == 3, 2 * HOUR, 5000)
    trials = sum("release 3 on trial" in line for line in board.console())
    assert trials == 3
    assert board.update()["number"] == 1
    assert board.until(lambda report: report["state"]["name"] == "rolled-back", MINUTE)
    before = len(board.ends)
    board.call("console", "update")
    board.run(2 * MINUTE)
    assert len(board.ends) == before and board.update()["number"] == 1
    assert any("was rejected before" in line for line in board.call("lines"))
    publish(server.folder, 4)
    board.call("console", "update")
    assert board.until(settled_on(4), 3 * MINUTE, 2000)


def test_behind_a_landing_page_for_three_days_the_device_lives_asks_little_and_then_updates(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.air = [{**wholeboard.HOME, "landing": "redirect"}]
    board.on(30000)
    assert board.state() == "landing-page"
    board.run(HOUR - 30000)
    assert board.call("requests") <= 8
    board.run(71 * HOUR)
    assert board.ends == []
    assert board.call("requests") <= 30
    assert board.state() == "landing-page"
    assert board.update()["failure"]["name"].startswith("landing-page")
    board.call("air", "Home", landing=False)
    assert board.until(settled_on(2), 8 * HOUR, 10 * MINUTE)


def test_a_trial_during_which_the_server_is_away_is_repeated_when_it_is_back(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.on(100)
    while not board.ends:
        board.run(500)
    server.hostile.mode = "server-error"
    assert board.until(lambda report: report["update"]["suspect"] == 2, HOUR, 5000)
    assert board.until(lambda report: not report["update"]["suspect"], 20 * MINUTE, 5000)
    assert (board.update()["number"], board.update()["rejected"]) == (1, None)
    server.hostile.mode = "none"
    board.call("console", "update")
    assert board.until(settled_on(2), 5 * MINUTE, 2000)


def test_keys_are_changed_over_three_releases_and_a_stolen_old_one_is_then_useless(
    board: Board, server: Server
) -> None:
    old, new = KEYS / "test-key-1.pem", KEYS / "test-key-2.pem"
    both = [tools_keys.public(old), tools_keys.public(new)]
    publish(server.folder, 2, [old], trust=both)
    board.on(1000)
    assert board.until(settled_on(2), 4 * MINUTE)
    publish(server.folder, 3, [old, new], trust=both[1:])
    board.call("console", "update")
    assert board.until(settled_on(3), 4 * MINUTE)
    publish(server.folder, 4, [new])
    board.call("console", "update")
    assert board.until(settled_on(4), 4 * MINUTE)
    # Who has stolen the old key publishes with it.
    publish(server.folder, 5, [old])
    board.call("console", "update")
    assert board.until(lambda report: report["update"]["failure"], 4 * MINUTE)
    assert board.update()["failure"]["name"] == "signature-unknown"
    assert board.state() == "update-refused"
    assert board.update()["number"] == 4


def test_a_base_is_fetched_once_booted_and_kept_with_its_release(
    board: Board, server: Server, tmp_path: Path
) -> None:
    image = tmp_path / "micropython.bin"
    image.write_bytes(imagemaker.app(16 * 12000 + 48))
    publish(server.folder, 2, base=image)
    board.on(1000)
    assert board.update()["base"] == "ota_0"
    assert board.until(settled_on(2), 3 * MINUTE)
    assert board.update()["base"] == "ota_1"
    board.off()
    board.on(MINUTE)
    assert (board.update()["base"], board.update()["number"]) == ("ota_1", 2)
    # The next release comes with the same base, which is not fetched again.
    asked = len(server.hostile.requests)
    publish(server.folder, 3, base=image)
    board.call("console", "update")
    assert board.until(settled_on(3), 3 * MINUTE)
    assert board.update()["base"] == "ota_1"
    assert not any("blobs" in request.path for request in server.hostile.requests[asked:])


def test_a_base_with_a_bad_release_is_left_by_the_boot_loader_after_three_attempts(
    board: Board, server: Server, tmp_path: Path
) -> None:
    image = tmp_path / "micropython.bin"
    image.write_bytes(imagemaker.app(16 * 4400 + 48))
    bad = tmp_path / "bad"
    shutil.copytree(build.FIRMWARE / "lutin", bad / "lutin")
    (bad / "lutin" / "__init__.py").write_text("raise RuntimeError('bad')\n")
    publish(server.folder, 2, base=image, firmware=bad)
    board.on(1000)
    assert board.until(lambda report: report["update"]["rejected"] == 2, 30 * MINUTE, 5000)
    lines = board.console()
    assert sum("release 2 on trial" in line for line in lines) == 3
    assert (board.update()["base"], board.update()["number"]) == ("ota_0", 1)


def test_a_failing_server_is_not_asked_more_than_eight_times_in_an_hour_by_anybody(
    board: Board, server: Server
) -> None:
    server.hostile.mode = "server-error"
    board.on(30000)
    for _ in range(59):
        board.call("console", "update")
        board.run(MINUTE)
    assert 4 <= len(server.hostile.requests) <= 8
    assert board.ends == []
    assert board.state() == "no-server"
    assert board.update()["failure"]["name"] == "http-500"  # and not that it asked enough
