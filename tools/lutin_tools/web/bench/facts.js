// The network it is on or trying, and the stored settings.

import { $, duration, element, facts, say } from "./words.js";

const LED = { window: "for a minute after start and trouble" };

export function setUp(link) {
  link.on("hello", (hello) => show(hello.report?.report));
  link.on("report", (message) => show(message.report));
  link.on("board", (message) => {
    if (!message.running) show(undefined);
  });
}

function show(report) {
  network(report);
  settings(report);
}

function network(report) {
  const wifi = report?.wifi;
  const on = Boolean(wifi?.address);
  const name = wifi?.ssid;
  say($("network-lead"), !wifi ? "No report." : !name ? "None." : on ? `On ${name}` : `Trying ${name}`);
  facts($("network-facts"), [
    ["Stage", name ? wifi.state : null],
    ["For", wifi && name ? duration(report.uptime - wifi.since) : null],
    ["Why not", on ? null : why(wifi?.reason), "bad"],
    ["Attempts", wifi?.attempts || null],
    ["Last failure", on || wifi?.last_failure !== wifi?.reason ? why(wifi?.last_failure) : null],
    ["Address", wifi?.address],
    ["Signal", wifi?.rssi ? `${wifi.rssi} dBm` : null],
    ["Channel", wifi?.channel],
    ["Access point", wifi?.bssid],
  ]);
}

// The driver's own numbers have no words of their own.
function why(reason) {
  return typeof reason === "number" ? `driver code ${reason}` : reason;
}

function settings(report) {
  const stored = report?.settings;
  const list = $("settings-networks");
  const key = JSON.stringify(stored?.networks ?? null);
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    const networks = stored?.networks ?? [];
    list.replaceChildren(...networks.map(one));
    if (!networks.length) list.append(element("li", stored ? "No network stored." : "No report.", "none"));
  }
  say($("generation"), report?.generation ? `generation ${report.generation}` : "");
  facts($("settings-facts"), [
    ["Server", stored && (stored.server || "none")],
    ["Broker", stored && (stored.broker || "none")],
    ["Name", stored && (stored.name || "none")],
    ["LED", stored && (LED[stored.led] ?? stored.led)],
  ]);
}

function one(network) {
  const item = element("li", network.ssid);
  const words = [network.password ? "password set" : "open, no password"];
  if (network.static) words.push(`static ${network.static.join(", ")}`);
  if (network.proxy) words.push(`proxy ${network.proxy.server ?? network.proxy[0]}:${network.proxy.port ?? network.proxy[1]}`);
  item.append(element("small", words.join("; ")));
  return item;
}
