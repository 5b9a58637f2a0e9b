// The board's LED, its state in words, and the scope.

import { look } from "./colour.js";
import { Scope } from "./scope.js";
import { $, say } from "./words.js";

export function setUp(link) {
  const scope = new Scope($("scope"), $("reading"));
  let starts;

  link.on("hello", (hello) => {
    scope.clear();
    board(hello.board ?? {});
    hello.led.forEach(led);
    if (!hello.board?.running) dark();
    hello.trace.forEach((message) => scope.trace(message));
    if (hello.report) report(hello.report.report);
  });
  link.on("led", led);
  link.on("trace", (message) => scope.trace(message));
  link.on("report", (message) => report(message.report));
  link.on("board", board);

  for (const button of document.querySelectorAll("[data-window]")) {
    button.addEventListener("click", () => {
      scope.window = Number(button.dataset.window) * 1000;
      for (const other of document.querySelectorAll("[data-window]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
    });
  }
  $("hold").addEventListener("click", () => {
    const held = $("hold").getAttribute("aria-pressed") !== "true";
    $("hold").setAttribute("aria-pressed", String(held));
    scope.hold(held);
  });

  function board(message) {
    if (message.starts !== starts) {
      starts = message.starts;
      scope.clear();
      dark();
      words("–", "starting", "Waiting for the board.", "");
    }
    if (!message.running) {
      dark();
      scope.off();
      const off = message.power === false;
      words("–", off ? "off" : "down", off ? "The board is switched off." : "The board is not running.", "");
    }
  }

  function led(message) {
    paint(message.rgb);
    scope.led(message);
  }

  function dark() {
    paint([0, 0, 0]);
  }
}

function paint(pins) {
  const { rgb, glow, name } = look(pins);
  for (const id of ["lens", "lens-small"]) {
    $(id).style.setProperty("--led", rgb.join(" "));
    $(id).style.setProperty("--glow", glow);
    $(id).dataset.colour = name;
  }
  $("lens").setAttribute("aria-label", `LED: ${name}`);
}

function report({ state, blinkup }) {
  words(String(state.number), state.name, state.sentence, state.detail ?? "");
  const text = blinkup?.receiving ? "receiving BlinkUp" : blinkup?.open ? "BlinkUp open" : "BlinkUp closed";
  say($("blinkup"), text);
  $("blinkup").dataset.open = blinkup?.open || blinkup?.receiving ? "yes" : "no";
}

function words(number, name, sentence, detail) {
  say($("state-number"), number);
  say($("state-name"), name);
  say($("bar-name"), name);
  say($("state-sentence"), sentence);
  say($("state-detail"), typeof detail === "string" ? detail : JSON.stringify(detail));
}
