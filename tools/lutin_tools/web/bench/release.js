// The board's releases: which one runs from which slot, what is on trial, what failed, what comes next.

import { $, bytes, clock, duration, element, facts, say } from "./words.js";

const SLOTS = ["factory", "a", "b"];

export function setUp(link) {
  for (const name of SLOTS) $("slots").append(cell(name));
  link.on("hello", (hello) => show(hello.report?.report));
  link.on("report", (message) => show(message.report));
  link.on("board", (message) => {
    if (!message.running) show(undefined);
  });
}

function cell(name) {
  const item = element("li");
  item.append(element("span", name, "slot-name"), element("strong", "–"), element("span", "", "slot-what"));
  return item;
}

function show(report) {
  const update = report?.update;
  say($("release-lead"), lead(update));
  say($("release-next"), next(update, report?.settings));
  SLOTS.forEach((slot, i) => fill($("slots").children[i], slot, update));
  progress(update?.progress);
  const failure = update?.failure;
  facts($("release-facts"), [
    ["Suspect", update?.suspect && `release ${update.suspect}: its trial failed, through whose fault is not clear yet`, "bad"],
    ["Rejected", update?.rejected && `release ${update.rejected}, never again`],
    ["Base", update?.base],
    ["Last failure", failure && failure.name + (failure.detail ? ` (${failure.detail})` : ""), "bad"],
    ["", failure && `${failure.count === 1 ? "once" : `${failure.count} times`}, ${when(failure)}`],
    ["", failure?.name === "asked-enough" ? "Eight requests in vain are the most for an hour; a reset begins a new count." : null],
  ]);
}

function lead(update) {
  if (!update) return "No report.";
  if (!update.slot) return "Not from a release: a tree of sources.";
  const trial = update.trial?.slot === update.slot ? update.trial : null;
  const number = trial?.number ?? update.number;
  if (!number) return "Starting."; // it has not read its own release yet
  const version = update.version && update.version !== String(number) ? ` (${update.version})` : "";
  return `Release ${number}${version} ${trial ? `on trial, boot ${trial.boots} of ${trial.of}` : "runs"}`;
}

function next(update, settings) {
  if (!update) return "";
  if (update.progress) return "";
  if (!settings?.server) return "no server to ask";
  if (update.next === null) return "asks when there is a network";
  return update.next ? `next look in ${duration(update.next).replace(/min \d+ s$/, "min")}` : "looking";
}

function fill(item, slot, update) {
  const there = update?.slots?.find((one) => one.slot === slot);
  const trial = update?.trial?.slot === slot ? update.trial : null;
  // A slot that was filled since the start is not in the list yet.
  const number = trial?.number ?? there?.number ?? (update?.slot === slot ? update.number : null);
  const words = [];
  if (update?.slot === slot) words.push("runs");
  else if (update?.home === slot && number) words.push("to go back to");
  if (trial) words.push(trial.boots ? `trial, boot ${trial.boots} of ${trial.of}` : "trial after the restart");
  if (number && number === update.suspect) words.push("suspect");
  if (number && number === update.rejected) words.push("rejected");
  item.dataset.runs = update?.slot === slot ? "yes" : "no";
  item.dataset.bad = words.includes("suspect") || words.includes("rejected") ? "yes" : "no";
  say(item.children[1], number ? String(number) : "–");
  say(item.children[2], words.join(", ") || (number ? "whole" : update?.number ? "empty" : ""));
}

function progress(done) {
  $("release-progress").hidden = !done;
  if (!done) return;
  const bar = $("release-progress").querySelector("progress");
  bar.max = done[1] || 1;
  bar.value = done[0];
  say($("release-progress").querySelector("output"), `${bytes(done[0])} of ${bytes(done[1])}`);
}

function when({ ago, at }) {
  if (ago !== null && ago !== undefined) return `${duration(ago)} ago`;
  return at ? `${clock(at)}, before this start` : "before this start";
}
