// The devices: what each one says of itself, its light, and what can be asked of it.

import { $, duration, facts, say } from "/bench/words.js";

import { Lamp } from "./lamp.js";

const ASKED = { identify: "Identify", update: "Update now", blinkup: "Open BlinkUp", restart: "Restart" };

export function setUp(link, { claim, lines }) {
  const cards = new Map();
  let states = [];

  link.on("hello", (hello) => {
    states = hello.states;
    const there = new Set(hello.devices.map(({ id }) => id));
    for (const id of cards.keys()) if (!there.has(id)) remove(id);
    hello.devices.forEach(show);
    count();
  });
  link.on("device", ({ device }) => {
    show(device);
    count();
  });
  link.on("gone", ({ id }) => {
    remove(id);
    count();
  });
  link.on("sent", ({ id, command }) => {
    const button = cards.get(id)?.node.querySelector(`.device-buttons [data-do=${command}]`);
    if (!button) return;
    button.classList.add("sent");
    setTimeout(() => button.classList.remove("sent"), 2000);
  });
  $("set-up").addEventListener("click", () => claim.open(null));
  setInterval(() => cards.forEach((card) => fill(card, states)), 5000); // what is told in "ago"

  function show(device) {
    let card = cards.get(device.id);
    if (!card) {
      card = make(device.id);
      cards.set(device.id, card);
    }
    card.device = device;
    fill(card, states);
    place(card);
    lines.name(device.id, nameOf(device));
  }

  function make(id) {
    const node = $("device-template").content.firstElementChild.cloneNode(true);
    node.dataset.id = id;
    const card = { node, lamp: new Lamp(node.querySelector(".lens")), key: "" };
    node.querySelector(".device-buttons").setAttribute("aria-label", `Ask ${id}`);
    node.addEventListener("click", ({ target }) => {
      const what = target.closest("button")?.dataset.do;
      if (what in ASKED) link.send({ t: "command", id, command: what });
      else if (what === "claim") claim.open(card.device);
      else if (what === "lines") lines.only(id);
      else if (what === "forget" && confirm(`Forget ${nameOf(card.device)} and all its lines?`)) link.send({ t: "forget", id });
    });
    node.querySelector("[data-do=level]").addEventListener("change", ({ target }) => {
      link.send({ t: "command", id, command: "log", level: target.value });
    });
    return card;
  }

  // Sorted by name; what is online comes first. A card with the focus in it stays where it is.
  function place(card) {
    const { device, node } = card;
    const key = `${device.online ? 0 : 1}${nameOf(device).toLowerCase()} ${device.id}`;
    if (key === card.key || (card.key && node.contains(document.activeElement))) return;
    card.key = key;
    const after = [...cards.values()].filter((other) => other !== card && other.key > key).sort((a, b) => (a.key < b.key ? -1 : 1))[0];
    $("device-list").insertBefore(node, after?.node ?? null);
  }

  function remove(id) {
    cards.get(id)?.node.remove();
    cards.get(id)?.lamp.remove();
    cards.delete(id);
    lines.name(id, null);
  }

  function count() {
    const all = [...cards.values()];
    const online = all.filter(({ device }) => device.online).length;
    say($("count"), all.length ? `${online} of ${all.length} online` : "none yet");
    $("devices-none").hidden = all.length > 0;
  }
}

function nameOf({ id, status }) {
  return status?.name || id;
}

function fill({ node, lamp, device }, states) {
  const { status, online, claimed } = device;
  const find = (selector) => node.querySelector(selector);
  node.dataset.online = online ? "yes" : "no";
  say(find(".device-name"), nameOf(device));
  say(find(".device-badge"), online ? "online" : "offline");
  const number = status?.state?.number;
  lamp.show(online ? states[number] ?? null : null);
  say(find(".device-sentence"), sentence(device, states));
  say(find(".device-detail"), online ? status?.state?.detail ?? "" : "");
  say(find(".device-brief"), brief(device));
  say(find(".device-failure"), failure(device));
  const percent = online ? status?.update?.percent : null;
  find(".progress").hidden = percent === null || percent === undefined;
  find("progress").value = percent ?? 0;
  say(find(".progress output"), `${Math.round(percent ?? 0)} %`);
  find(".device-claim").hidden = claimed || !online;
  find(".device-buttons").hidden = !claimed || !online;
  find("label:has([data-do=level])").hidden = !claimed || !online;
  find("[data-do=forget]").hidden = online;
  const level = find("[data-do=level]");
  if (level !== document.activeElement && status?.log?.level) level.value = status.log.level;
  facts(find(".device-facts"), everything(device));
}

function sentence({ online, status, seen }, states) {
  if (online) return status?.state?.sentence || states[status?.state?.number]?.sentence || "It has not said what it does.";
  return seen ? `Last heard ${ago(seen)}.` : "Not heard yet.";
}

function brief({ status, online }) {
  if (!status) return "";
  const { network, release } = status;
  const words = [];
  if (network?.ssid) words.push(`${online ? "" : "last on "}${network.ssid}${online && network.rssi ? `, ${network.rssi} dBm` : ""}`);
  if (network?.address) words.push(network.address);
  if (release?.number) words.push(`release ${release.number}${release.trial ? ", on trial" : ""}`);
  return words.join(" · ");
}

function failure({ status, seen }) {
  const last = status?.failure;
  if (!last?.name) return "";
  // Its age was told when it was heard.
  const age = last.ago === null ? "before its last start" : `${duration(last.ago + Date.now() / 1000 - seen)} ago`;
  const times = last.count > 1 ? `, ${last.count} times` : "";
  return `Last failure: ${last.what ?? ""} ${last.name}${last.detail ? ` (${last.detail})` : ""}${times}, ${age}`;
}

function everything({ id, status, seen, online, claimed }) {
  const { network, release, update, log } = status ?? {};
  const since = seen ? Date.now() / 1000 - seen : 0;
  return [
    ["Id", id],
    ["Board", status?.board],
    ["State", status?.state && `${status.state.number ?? "?"} ${status.state.name ?? ""}`],
    ["Network", network?.ssid],
    ["Access point", network?.bssid && `${network.bssid}${network.channel ? `, channel ${network.channel}` : ""}`],
    ["Signal", network?.rssi && `${network.rssi} dBm`],
    ["Address", network?.address],
    ["Release", release?.number && `${release.number}${release.version && release.version !== String(release.number) ? ` (${release.version})` : ""}`],
    ["Slot", release?.slot],
    ["On trial", release?.trial && `release ${release.trial.number ?? "?"}, boot ${release.trial.boots ?? "?"} of ${release.trial.of ?? "?"}`],
    ["Suspect", release?.suspect && `release ${release.suspect}`, "bad"],
    ["Rejected", release?.rejected && `release ${release.rejected}`, "bad"],
    ["There is", update?.latest && update.latest !== update.installed ? `release ${update.latest}` : null],
    ["Application", status?.app],
    ["Up for", online && status?.uptime !== null && status?.uptime !== undefined ? duration(status.uptime + since) : null],
    ["Last restart", status?.restart_cause],
    ["Heap free", status?.heap_free && `${Math.round(status.heap_free / 1000)} kB`],
    ["Settings", status?.generation && `generation ${status.generation}`],
    ["Lines lost", log?.dropped || null],
    ["Commands", claimed ? "taken from this broker" : "not taken: this broker is not in its settings"],
    ["Last heard", seen ? `${ago(seen)}` : null],
  ];
}

function ago(since) {
  const seconds = Date.now() / 1000 - since;
  return seconds < 5 ? "just now" : `${duration(seconds).replace(/(min|h|d) \d+ \w+$/, "$1")} ago`;
}
