// Setting a board up by light, with this server's addresses filled in.

import { $, say } from "/bench/words.js";

export function setUp(link) {
  const dialog = $("claim");
  const frame = $("claim-frame");
  let urls = {};
  let tls = false;
  let device = null;
  let loads = 0;

  link.on("hello", (hello) => {
    ({ urls, tls } = hello);
  });
  $("claim-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    frame.src = "about:blank"; // whatever flashes, stops
    $("claim-password").value = "";
  });
  $("claim-password").addEventListener("change", load);
  $("claim-login").addEventListener("submit", (event) => event.preventDefault());
  frame.addEventListener("load", fit);

  return { open };

  // device: one that is to have this server; null: any, and its network as well
  function open(chosen) {
    device = chosen;
    say($("claim-title"), device ? "Make this board mine" : "Set a board up by light");
    const name = device && (device.status?.name || device.id);
    say($("claim-words"), device ?
      `Press Start and hold the light sensor of ${name} to the square. It keeps its network and takes this server as its own: then it sends its log here for certain, and takes your commands. Its BlinkUp must be open: press its button, or restart it.` :
      "Give it its network, press Start, and hold its light sensor to the square. This server’s addresses are filled in.");
    $("claim-tls").hidden = !tls;
    $("claim-login").hidden = !urls.user;
    say($("claim-user"), urls.user ?? "");
    dialog.showModal();
    load();
    if (urls.user) $("claim-password").focus();
  }

  function load() {
    let broker = urls.broker;
    if (urls.user) {
      const login = [urls.user, $("claim-password").value].map(encodeURIComponent).join(":");
      broker = broker.replace("://", `://${login}@`);
    }
    const fields = new URLSearchParams({ mode: device ? "device" : "network", server: urls.server, broker });
    // Behind the #, since it may hold a password: that part is never sent.
    loads += 1;
    frame.src = `/sender/?n=${loads}#${fields}`;
  }

  // As tall as the sender is, so that the dialog scrolls and not the frame.
  function fit() {
    const page = frame.contentDocument?.body;
    if (!page?.firstElementChild) return;
    const size = () => {
      const sending = page.querySelector("dialog[open]") !== null;
      const height = Math.ceil(page.getBoundingClientRect().height);
      if (sending) frame.style.height = `${Math.min(520, window.innerHeight - 90)}px`;
      else if (height > 100) frame.style.height = `${height}px`;
      if (sending) frame.scrollIntoView({ block: "nearest" });
    };
    new ResizeObserver(size).observe(page);
    new MutationObserver(size).observe(page, { subtree: true, attributeFilter: ["open"] });
  }
}
