// The desk's release server: publishing, being wrong on purpose, and what was asked.

import { $, bytes, clock, element, say } from "./words.js";

const KEPT = 50; // requests shown
const HOUR = 3600; // s
const TRIAL = /^(hangs|crashes|never|eats|app)/;
const KIND_GROUPS = [
  ["As it should be", /^(good|ten-broken)/],
  ["Taken, then failing its trial", TRIAL],
  ["To be refused", /./],
];
const MODE_GROUPS = [
  ["", /^none$/],
  ["Landing pages", /^(page|redirect-(else|same))/],
  ["Right, if unusual", /^(moved|chunked)$/],
  ["No answer, or a slow one", /^(close|no-answer|slow|stall|truncated|empty)/],
  ["Parts of files", /^(range|part)/],
  ["Chunks", /chunk|trailer/],
  ["Lengths and sizes", /length|long|bomb|endless|encoded/],
  ["Other answers", /./],
];

export function setUp(link) {
  const [kind, mode] = [$("publish-kind"), $("wrong-mode")];
  const places = document.querySelectorAll("[name=applies_to]");
  let modes = {};
  let requests = [];
  let asks = ""; // what the board has stored
  let url = "";

  $("publish-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("publish").getAttribute("aria-disabled") !== "true") link.send({ t: "publish", kind: kind.value });
  });
  $("look").addEventListener("click", () => link.send({ t: "console", text: "update" }));
  mode.addEventListener("change", () => link.send({ t: "wrong", mode: mode.value }));
  for (const place of places) place.addEventListener("change", () => link.send({ t: "wrong", applies_to: place.value }));

  link.on("hello", (hello) => {
    modes = hello.modes;
    choices(kind, hello.kinds, KIND_GROUPS);
    choices(mode, hello.modes, MODE_GROUPS);
    show(hello.releases);
    requests = hello.requests;
    list();
    board(hello.report?.report);
    $("look").disabled = !hello.board?.running;
  });
  link.on("releases", show);
  link.on("request", (request) => {
    requests = [...requests, request].slice(-KEPT);
    list();
  });
  link.on("report", (message) => board(message.report));
  link.on("board", (message) => {
    $("look").disabled = !message.running;
  });
  setInterval(count, 5000);

  function show(releases) {
    url = releases.url;
    say($("server-url"), url);
    const { busy, published } = releases;
    say($("published"), busy ? "Building…" : published ? sentence(published) : "Nothing yet.");
    // aria-disabled, so that the focus stays where it is
    $("publish").setAttribute("aria-disabled", String(Boolean(busy)));
    if (mode !== document.activeElement || releases.mode !== mode.value) mode.value = releases.mode;
    for (const place of places) place.checked = place.value === releases.applies_to;
    const wrong = releases.mode !== "none";
    say($("wrong-now"), wrong ? modes[releases.mode] : "");
    $("wrong-now").hidden = !wrong;
    $("wrong-where").hidden = !wrong;
    other();
  }

  function board(report) {
    asks = report?.settings?.server ?? "";
    other();
  }

  function other() {
    const same = !asks || asks.replace(/\/*$/, "/") === url;
    $("server-other").hidden = same;
    if (!same) say($("server-other"), `The board asks another server, ${asks}. The sender has this one’s address: send it once more.`);
  }

  function list() {
    $("requests").replaceChildren(...[...requests].reverse().map(row));
    $("requests-none").hidden = requests.length > 0;
    $("requests-table").hidden = !requests.length;
    count();
  }

  function count() {
    const since = Date.now() / 1000 - HOUR;
    const recent = requests.filter(({ at }) => at > since).length;
    say($("requests-count"), requests.length ? `${recent}${recent === KEPT ? " or more" : ""} in the last hour` : "");
  }
}

function choices(select, sentences, groups) {
  const names = Object.keys(sentences);
  if (select.dataset.names === names.join()) return;
  select.dataset.names = names.join();
  const before = select.value;
  const made = groups.map(([label, has], i) => {
    const place = label ? element("optgroup") : document.createDocumentFragment();
    if (label) place.label = label;
    for (const name of names) {
      if (groups.findIndex(([, first]) => first.test(name)) !== i) continue;
      const option = element("option", sentences[name][0].toUpperCase() + sentences[name].slice(1));
      option.value = name;
      place.append(option);
    }
    return place;
  });
  select.replaceChildren(...made);
  if (names.includes(before)) select.value = before;
}

function sentence({ number, kind, files, bytes: size, at }) {
  return `Release ${number}${kind === "good" ? "" : `, ${kind}`}: ${files} files, ${bytes(size)}, published ${clock(at)}.`;
}

function row({ at, path, status, bytes: size, range }) {
  const made = element("tr");
  const name = path.replace(/^\//, "");
  const what = element("td", name.replace(/^blobs\/([0-9a-f]{8})[0-9a-f]+$/, "blob $1…") + (range ? `, from ${range.replace(/^bytes=(\d+)-.*$/, "$1")}` : ""));
  what.title = name;
  const answer = element("td", status ? String(status) : "none", `n${status >= 200 && status < 400 ? "" : " bad"}`);
  made.append(element("td", clock(at)), what, answer, element("td", bytes(size), "n"));
  return made;
}
