// The sender in its frame: what it paints goes to the sensor, frame by frame.

import { $, say } from "./words.js";

export function setUp(link) {
  const frame = $("sender-frame");
  let pixels = false;
  let fitted = null;

  link.on("hello", (hello) => {
    pixels = hello.light === "pixels";
    say($("sender-note"), pixels ? "the sensor reads the screen's pixels" : "its square lights the sensor");
    // Loaded once it is known which server the board should ask; not again when the bench comes back.
    const address = `/sender/?server=${encodeURIComponent(hello.releases.url)}`;
    if (frame.getAttribute("src") !== address) frame.src = address;
  });
  window.addEventListener("message", (event) => {
    if (event.origin !== location.origin || event.source !== frame.contentWindow) return;
    if (event.data?.lutin !== "frame" || pixels) return;
    link.send({ t: "light", frames: [[event.data.us, event.data.level]] });
  });
  frame.addEventListener("load", fit);
  fit();

  // As tall as the sender is, so that the page scrolls and not the frame. While it flashes it covers
  // its whole frame: then the frame is small enough for square and Stop button to be in sight.
  function fit() {
    const page = frame.contentDocument?.body;
    if (!page || page === fitted) return;
    fitted = page;
    let sending = false;
    const size = () => {
      const height = Math.ceil(page.getBoundingClientRect().height);
      if (!sending && height > 100) frame.style.height = `${height}px`;
    };
    new ResizeObserver(size).observe(page);
    new MutationObserver(() => {
      const now = page.querySelector("dialog[open]") !== null;
      if (now === sending) return;
      sending = now;
      if (!sending) return size();
      frame.style.height = `${Math.min(520, window.innerHeight - 110)}px`;
      $("sender").scrollIntoView({ block: "nearest" }); // with its heading
    }).observe(page, { subtree: true, attributeFilter: ["open"] });
  }
}
