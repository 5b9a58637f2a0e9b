// The airspace: access points that come, go and misbehave.

import { $, element, say } from "./words.js";

const BOOT = [
  [0, "no time"],
  [5000, "5 s"],
  [30000, "30 s"],
  [120000, "2 min"],
  [600000, "10 min"],
];

export function setUp(link) {
  const list = $("air-list");
  const items = new Map(); // bssid -> its <li>
  let joined = null;

  link.on("air", ({ aps }) => show(aps));
  link.on("hello", (hello) => show(hello.air?.aps ?? []));
  link.on("report", ({ report }) => {
    joined = report.wifi?.address ? report.wifi : null;
    for (const item of items.values()) mark(item);
  });

  $("air-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { ssid, password } = event.target.elements;
    link.send({ t: "ap", do: "add", ap: { ssid: ssid.value, password: password.value } });
    event.target.reset();
    ssid.focus();
  });

  function show(aps) {
    for (const [bssid, item] of items) {
      if (!aps.some((ap) => ap.bssid === bssid)) {
        item.remove();
        items.delete(bssid);
      }
    }
    aps.forEach((ap, place) => {
      if (!items.has(ap.bssid)) items.set(ap.bssid, make(ap.bssid));
      const item = items.get(ap.bssid);
      // Moving an element takes the focus from what is being typed: only when it must.
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
      fill(item, ap);
    });
    const up = aps.filter((ap) => ap.up).length;
    say($("air-count"), aps.length ? `${up} of ${aps.length} on` : "empty");
  }

  function make(bssid) {
    const item = $("ap-template").content.firstElementChild.cloneNode(true);
    const set = (ap) => link.send({ t: "ap", do: "set", bssid, ap });
    item.querySelector("[data-field=boot_ms]").append(...BOOT.map(([ms, text]) => option(ms, text)));
    item.querySelector("[data-field=up]").addEventListener("click", (event) => {
      set({ up: event.currentTarget.getAttribute("aria-checked") !== "true" });
    });
    item.querySelector(".ap-fields").addEventListener("change", ({ target }) => {
      const field = target.dataset.field;
      if (target.type === "checkbox") set({ [field]: target.checked });
      else if (field === "landing") set({ landing: target.value || false });
      else set({ [field]: field === "rssi" || field === "boot_ms" ? Number(target.value) : target.value });
    });
    item.querySelector("[data-field=rssi]").addEventListener("input", ({ target }) => {
      target.parentNode.querySelector("output").textContent = `${target.value} dBm`;
    });
    item.querySelector(".remove").addEventListener("click", () => link.send({ t: "ap", do: "remove", bssid }));
    return item;
  }

  function fill(item, ap) {
    item.dataset.up = ap.up ? "yes" : "no";
    say(item.querySelector(".ap-name"), ap.ssid);
    item.dataset.what = describe(ap);
    item.dataset.ssid = ap.ssid;
    item.dataset.bssid = ap.bssid;
    mark(item);
    const strength = ap.up ? [-85, -75, -65, -55].filter((least) => ap.rssi >= least).length : 0;
    item.querySelectorAll(".bars i").forEach((bar, i) => bar.classList.toggle("on", i < Math.max(strength, ap.up ? 1 : 0)));
    const power = item.querySelector("[data-field=up]");
    power.setAttribute("aria-checked", String(ap.up));
    say(power.firstElementChild, `${ap.ssid} on the air`);
    item.querySelector("summary").setAttribute("aria-label", `Change ${ap.ssid}`);
    for (const field of ["password", "dhcp", "boot_ms", "rssi", "refuse", "landing"]) {
      const control = item.querySelector(`[data-field=${field}]`);
      if (control === document.activeElement && control.type !== "checkbox" && control.tagName !== "SELECT") continue;
      if (control.type === "checkbox") control.checked = ap[field];
      else if (field === "landing") control.value = ap.landing === true ? "redirect" : ap.landing || "";
      else {
        if (field === "boot_ms" && !BOOT.some(([ms]) => ms === ap.boot_ms) && !control.querySelector(`[value="${ap.boot_ms}"]`)) {
          control.append(option(ap.boot_ms, `${ap.boot_ms / 1000} s`));
        }
        control.value = ap[field] ?? "";
      }
    }
    say(item.querySelector("[data-field=rssi]").parentNode.querySelector("output"), `${ap.rssi} dBm`);
  }

  function mark(item) {
    const { ssid, bssid, what } = item.dataset;
    // The driver does not always tell which of several access points of a name it joined.
    const here = joined && joined.ssid === ssid && (!joined.bssid || joined.bssid === bssid);
    say(item.querySelector(".ap-what"), (here ? "joined, " : "") + what);
  }
}

function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}

function describe(ap) {
  const words = [ap.password ? "with password" : "open", `channel ${ap.channel}`];
  if (!ap.up) words.unshift("off");
  if (ap.refuse) words.push("refuses");
  if (ap.dhcp === "dead") words.push("gives no address");
  if (ap.dhcp === "slow") words.push("slow address");
  if (ap.boot_ms) words.push(`starts in ${BOOT.find(([ms]) => ms === ap.boot_ms)?.[1] ?? ap.boot_ms / 1000 + " s"}`);
  if (ap.landing) words.push("landing page");
  return words.join(", ");
}
