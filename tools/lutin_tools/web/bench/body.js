// The board's body: power, buttons, facts about its life, and the sectors of its settings flash.

import { $, clock, duration, element, facts, say } from "./words.js";

const KEYS = { 1: "settings", 2: "boot record", 3: "application", 4: "looks" };
const CAUSES = { 1: "power on", 2: "reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset" };

export function setUp(link) {
  let board = null;
  let report = null;
  let flash = [];
  const power = $("power");

  power.addEventListener("click", () => link.send({ t: "power", on: power.getAttribute("aria-checked") !== "true" }));
  $("cut").addEventListener("click", () => link.send({ t: "cut" }));
  $("reset").addEventListener("click", () => link.send({ t: "reset" }));
  holdable($("button"), (down) => link.send({ t: "button", down }));

  link.on("hello", (hello) => {
    [board, report] = [hello.board ?? null, hello.report?.report ?? null];
    sectors(flash = hello.flash?.sectors ?? []);
    show();
  });
  link.on("board", (message) => {
    board = message;
    if (!board.running) report = null;
    show();
  });
  link.on("report", (message) => {
    report = message.report;
    show();
  });
  link.on("flash", (message) => sectors(flash = message.sectors));
  setInterval(() => sectors(flash), 5000); // what they hold gets older

  function show() {
    power.setAttribute("aria-checked", String(Boolean(board?.power)));
    for (const id of ["cut", "reset", "button"]) $(id).disabled = !board?.running;
    say($("board-id"), report?.id ?? "");
    const ended = board?.last_end;
    const heap = report?.heap_free;
    facts($("board-facts"), [
      ["Up for", report ? duration(report.uptime) : board?.power ? "starting" : "off"],
      ["Started by", report ? CAUSES[report.restart_cause] ?? report.restart_cause : null],
      ["Heap free", heap ? `${Math.round(heap / 1024)} KB` : null],
      ["Starts", board?.starts],
      ["Last end", ended ? `${ended.text}, ${clock(ended.at)}` : null, bad(ended)],
    ]);
  }

  function sectors(all) {
    const rows = $("flash-rows");
    all.forEach((sector, i) => {
      const row = rows.children[i] ?? rows.appendChild(make());
      row.querySelector(".cell").dataset.state = sector.state;
      say(row.cells[0].lastChild, String(sector.sector));
      say(row.cells[1], holds(sector) + age(sector));
      say(row.cells[2], sector.generation && sector.state !== "blank" ? String(sector.generation) : "–");
      say(row.cells[3], String(sector.erases));
      const worn = row.querySelector(".switch");
      worn.dataset.sector = sector.sector;
      worn.setAttribute("aria-checked", String(sector.worn));
      worn.setAttribute("aria-label", `Sector ${sector.sector} worn out`);
    });
    while (rows.children.length > all.length) rows.lastChild.remove();
  }

  function make() {
    const row = element("tr");
    const first = element("th");
    first.scope = "row";
    first.append(element("span", undefined, "cell"), element("span"));
    const worn = element("button", undefined, "switch fault");
    worn.type = "button";
    worn.setAttribute("role", "switch");
    worn.addEventListener("click", () => {
      const on = worn.getAttribute("aria-checked") !== "true";
      link.send({ t: "wear", sector: Number(worn.dataset.sector), worn: on });
    });
    const last = element("td");
    last.append(worn);
    row.append(first, element("td"), element("td", undefined, "n"), element("td", undefined, "n"), last);
    return row;
  }
}

function holds({ key, state }) {
  const what = key === null || key === undefined ? "" : KEYS[key] ?? `key ${key}`;
  if (state === "live") return what;
  return what ? `${what}, ${state}` : state;
}

function bad(ended) {
  return ["crash", "hung", "watchdog", "no-start"].includes(ended?.how) ? "bad" : "";
}

// Down while pointer or key is down; a click by assistive technology is a short press.
function holdable(button, change) {
  let down = false;
  const set = (now) => {
    if (now === down) return;
    down = now;
    button.classList.toggle("down", down);
    change(down);
  };
  let handled = false;
  button.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    handled = true;
    button.setPointerCapture(event.pointerId);
    set(true);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(name, () => set(false));
  button.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      handled = true;
      set(true);
    }
  });
  button.addEventListener("keyup", () => set(false));
  button.addEventListener("click", () => {
    if (!handled) {
      set(true);
      setTimeout(() => set(false), 150);
    }
    handled = false;
  });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}

function age(sector) {
  if (!sector.written || !sector.generation) return "";
  return `, ${duration(Date.now() / 1000 - sector.written).replace(/min \d+ s$/, "min")} old`;
}
