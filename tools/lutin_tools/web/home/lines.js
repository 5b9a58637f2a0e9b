// The log: live, and searched. The server sends only lines that fit the search.

import { $, element, say } from "/bench/words.js";

const MOST = 3000; // shown
const PAUSE = 200; // ms after the last key

export function setUp(link) {
  const list = $("line-list");
  const box = $("lines");
  const form = $("search");
  const names = new Map();
  let n = 0; // of the search whose answer is waited for
  let oldest = null; // [time, id]
  let newest = [0, 0];
  let typing;
  let missed = false; // there are lines that are not shown

  link.on("hello", search);
  link.on("found", (found) => {
    if (found.n !== n) return;
    if (found.before) earlier(found);
    else begin(found);
    $("older").hidden = !found.more;
    if (found.lines.length) oldest = [found.lines[0].time, found.lines[0].id];
    none();
  });
  link.on("lines", ({ lines }) => {
    append(lines.filter(({ id }) => id > newest[1]));
    none();
  });
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  form.addEventListener("reset", () => setTimeout(search));
  $("older").addEventListener("click", () => ask(oldest));
  $("to-end").addEventListener("click", () => (missed ? search() : toEnd()));
  box.addEventListener("scroll", () => {
    if (atEnd()) $("to-end").hidden = true;
  });
  list.addEventListener("click", ({ target }) => {
    const id = target.closest(".who")?.dataset.id;
    if (id) only(id);
  });

  return { only, name };

  function only(id) {
    $("search-device").value = id;
    search();
    $("log").scrollIntoView({ block: "start" });
  }

  // A device's name, in the list to choose from and before its lines; null: it is gone.
  function name(id, text) {
    if (names.get(id) === text) return;
    if (text === null) names.delete(id);
    else names.set(id, text);
    const select = $("search-device");
    const chosen = select.value;
    const sorted = [...names].sort(([, a], [, b]) => a.localeCompare(b));
    const options = sorted.map(([value, label]) => Object.assign(element("option", label), { value }));
    select.replaceChildren(Object.assign(element("option", "all"), { value: "" }), ...options);
    select.value = names.has(chosen) ? chosen : "";
    for (const who of list.querySelectorAll(".who")) if (who.dataset.id === id) say(who, text ?? id);
  }

  function search() {
    clearTimeout(typing);
    ask(null);
  }

  function ask(before) {
    n += 1;
    link.send({
      t: "search",
      n,
      text: $("search-text").value,
      device: $("search-device").value,
      level: $("search-level").value,
      since: seconds("search-since"),
      until: seconds("search-until"),
      before,
    });
  }

  function begin({ lines }) {
    list.replaceChildren();
    newest = [0, 0];
    oldest = null;
    missed = false;
    append(lines);
    toEnd();
  }

  function earlier({ lines }) {
    const height = box.scrollHeight;
    list.prepend(...lines.map(row));
    box.scrollTop += box.scrollHeight - height; // what is being read stays where it is
  }

  function append(lines) {
    if (!lines.length) return;
    const end = atEnd();
    if (!end && list.childElementCount > MOST) {
      missed = true; // somebody reads further up: the end is fetched anew when it is wanted
      $("to-end").hidden = false;
      return;
    }
    list.append(...lines.map(row));
    for (const { time, id } of lines) newest = [Math.max(time, newest[0]), Math.max(id, newest[1])];
    if (end) {
      while (list.childElementCount > MOST) list.firstElementChild.remove();
      toEnd();
    } else $("to-end").hidden = false;
  }

  function row({ device, level, text, time, offline, dropped }) {
    const made = element("li", undefined, `${level}${dropped ? " gap" : ""}${offline ? " late" : ""}`);
    const when = new Date(time * 1000);
    const moment = element("time", stamp(when));
    moment.dateTime = when.toISOString();
    moment.title = `${when.toISOString()} (UTC)${offline ? ", while it was offline: reckoned from its uptime" : ""}`;
    const who = element("button", names.get(device) ?? device, "who");
    who.type = "button";
    who.dataset.id = device;
    who.title = `Only lines of ${device}`;
    made.append(moment, who, element("span", text, "what"));
    return made;
  }

  function none() {
    const empty = !list.childElementCount;
    $("lines-none").hidden = !empty;
    const asked = $("search-text").value || $("search-device").value || $("search-level").value !== "info" || $("search-since").value || $("search-until").value;
    say($("lines-none"), asked ? "No line fits." : "Nothing yet. What devices log appears here.");
    const shown = list.childElementCount;
    say($("log-count"), shown ? `${shown.toLocaleString()} shown${$("older").hidden ? "" : ", there are older ones"}` : "");
  }

  function atEnd() {
    return box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  }

  function toEnd() {
    box.scrollTop = box.scrollHeight;
    $("to-end").hidden = true;
  }
}

function seconds(id) {
  const value = $(id).value;
  return value ? new Date(value).getTime() / 1000 : null;
}

function stamp(when) {
  const time = when.toLocaleTimeString([], { hour12: false });
  if (when.toDateString() === new Date().toDateString()) return time;
  return `${when.toLocaleDateString([], { day: "2-digit", month: "2-digit" })} ${time}`;
}
