// The page of all devices: every part listens to the link and shows what the server says.

import { Link } from "/bench/link.js";
import { $, facts, say } from "/bench/words.js";

import * as claim from "./claim.js";
import * as devices from "./devices.js";
import * as lines from "./lines.js";
import * as releases from "./releases.js";

let gone;

const link = new Link((up) => {
  const place = $("link");
  place.dataset.up = up ? "yes" : "no";
  say(place, up ? "server connected" : "server not answering");
  clearTimeout(gone);
  if (up) notice("");
  // A server that restarts is back within a moment; no need to alarm anybody.
  else gone = setTimeout(() => notice("The server is not answering. Is `lutin serve` still running? This page comes back by itself."), 1500);
});

function notice(text, seconds) {
  say($("notice"), text);
  $("notice").hidden = !text;
  if (seconds) setTimeout(() => $("notice").textContent === text && notice(""), seconds * 1000);
}

function health({ broker, log }) {
  const words = [];
  if (broker) words.push(`No connection to the broker: ${broker}.`);
  if (log) words.push(`The log is not being written: ${log}.`);
  say($("trouble"), words.join(" "));
  $("trouble").hidden = !words.length;
}

link.on("refused", ({ why }) => notice(`Not done: ${why}.`, 6));
link.on("health", health);
link.on("hello", (hello) => {
  health(hello.health);
  const { urls } = hello;
  facts($("here-facts"), [
    ["Releases", urls.server],
    ["Broker", urls.broker],
    ["Login", urls.user ? `as ${urls.user}` : "none: everybody in this network may read and send"],
    ["Log", `the last ${hello.keep.toLocaleString()} lines`],
  ]);
});
const parts = { claim: claim.setUp(link) };
parts.lines = lines.setUp(link);
devices.setUp(link, parts);
releases.setUp(link);
