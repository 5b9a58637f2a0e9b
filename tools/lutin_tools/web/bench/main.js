// The bench page: every part listens to the link and shows what the board says.

import * as air from "./air.js";
import * as body from "./body.js";
import * as consolePart from "./console.js";
import * as facts from "./facts.js";
import * as light from "./light.js";
import { Link } from "./link.js";
import * as release from "./release.js";
import * as room from "./room.js";
import * as sender from "./sender.js";
import * as server from "./server.js";
import { $, say } from "./words.js";

let gone;

const link = new Link((up) => {
  const place = $("link");
  place.dataset.up = up ? "yes" : "no";
  say(place, up ? "bench connected" : "bench not answering");
  clearTimeout(gone);
  if (up) notice("");
  // A bench that restarts is back within a moment; no need to alarm anybody.
  else gone = setTimeout(() => notice("The bench is not answering. Is `make run` still going? This page comes back by itself."), 1500);
});

function notice(text, seconds) {
  say($("notice"), text);
  $("notice").hidden = !text;
  if (seconds) setTimeout(() => $("notice").textContent === text && notice(""), seconds * 1000);
}

link.on("refused", ({ why }) => notice(`Not done: ${why}.`, 6));
for (const part of [light, release, facts, consolePart, body, server, air, room, sender]) part.setUp(link);
