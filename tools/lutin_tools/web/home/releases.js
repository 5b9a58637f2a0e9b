// What is published, and the button that publishes this tree.

import { $, say } from "/bench/words.js";

export function setUp(link) {
  link.on("hello", (hello) => show(hello.releases));
  link.on("releases", show);
  $("publish-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("publish").getAttribute("aria-disabled") === "true") return;
    link.send({ t: "publish", version: $("publish-version").value });
    $("publish-version").value = "";
  });
}

function show({ latest, busy, result, failed, can, app, folder }) {
  say($("release-lead"), lead(latest));
  say($("release-hint"), hint(can, latest, app, folder));
  $("publish-form").hidden = !can;
  // aria-disabled, so that the focus stays where it is
  $("publish").setAttribute("aria-disabled", String(Boolean(busy)));
  say($("publish-result"), busy ? `Building and signing release ${busy}…` : result);
  $("publish-result").classList.toggle("bad", failed && !busy);
}

function lead(latest) {
  if (!latest) return "None yet.";
  if (!latest.number) return "What lies there is no release.";
  const version = latest.version !== String(latest.number) ? ` (${latest.version})` : "";
  return `Release ${latest.number}${version}`;
}

function hint(can, latest, app, folder) {
  const words = [];
  if (latest?.number) words.push(`Since ${new Date(latest.at * 1000).toLocaleString()}, for ${latest.boards.join(", ")}.`);
  if (latest?.why) words.push(`${latest.why}.`);
  if (!can) {
    words.push("To publish from here, start the server with a key: lutin serve --key FILE. Without one: ");
    words.push(`lutin release build --key FILE --number ${(latest?.number || 1) + 1} ${folder}`);
  } else if (app) words.push(`With the application in ${app}.`);
  return words.join(" ");
}
