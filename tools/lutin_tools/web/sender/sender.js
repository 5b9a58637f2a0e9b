// The page: form, stage and light. What can be sent is decided in rules.js, what it looks like as
// symbols in encoder.js, and when the next one is due in pace.js.
"use strict";

(function () {
  const Encoder = window.LutinEncoder;
  const Rules = window.LutinRules;
  const Pace = window.LutinPace;

  const byId = (id) => document.getElementById(id);
  // Only where it changes: a live region is read out again, and the stage laid out again, each time.
  const write = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const form = byId("form");
  const stage = byId("stage");
  const square = byId("square");
  const stateLine = byId("stage-state");
  const framesLine = byId("stage-frames");

  const TEXTS = ["ssid", "password", "address", "netmask", "gateway", "dns1", "dns2", "server", "broker",
    "name", "proxyServer", "proxyPort", "proxyUser", "proxyPassword"];
  const TICKS = ["add", "fixed"];
  const CHOICES = { mode: ["network", "device", "clear"], rate: ["20", "30", "60"], size: ["small", "medium", "large"] };
  const SECRETS = ["password", "proxyPassword"];
  // In these a space can only have come with the paste; in names and passwords it may be meant.
  const TRIMMED = TEXTS.filter((key) => !["ssid", "password", "name", "proxyUser", "proxyPassword"].includes(key));

  // Grey is half of white in linear light, where the sensor measures: then both thresholds of a
  // receiver, black to grey and grey to white, are equally far away. 188 is the sRGB value of 0.5, and a
  // screen with a gamma of 2.2 or 2.4 still makes 0.51 or 0.48 of it.
  const COLOURS = [0, 188, 255].map((value) => `rgb(${value}, ${value}, ${value})`);
  const COUNTDOWN_MS = 3000;
  const FALLBACK_PERIOD = 1000 / 60;
  const MANY_DROPPED = 0.02;

  // ---- the form ------------------------------------------------------------------------------

  function entries() {
    const values = { mode: form.elements.mode.value };
    for (const key of TEXTS) values[key] = TRIMMED.includes(key) ? byId(key).value.trim() : byId(key).value;
    for (const key of TICKS) values[key] = byId(key).checked;
    return values;
  }

  /** The reason against an entry, beside its field; null takes it away. */
  function refuse(key, reason) {
    const input = byId(key);
    const id = `${key}-error`;
    const described = (input.getAttribute("aria-describedby") || "").split(" ").filter((other) => other && other !== id);
    let line = byId(id);
    if (!reason) {
      if (line) line.remove();
      input.removeAttribute("aria-invalid");
    } else {
      if (!line) {
        line = document.createElement("p");
        line.id = id;
        line.className = "error";
        input.closest(".field").append(line);
      }
      write(line, reason);
      input.setAttribute("aria-invalid", "true");
      described.push(id);
    }
    if (described.length) input.setAttribute("aria-describedby", described.join(" "));
    else input.removeAttribute("aria-describedby");
  }

  // A field is found fault with when it is left or when Start is pressed, never while it is being
  // typed into for the first time; from then on its fault goes as soon as it is mended.
  const visited = new Set();

  function review() {
    const result = Rules.check(entries());
    for (const key of TEXTS) refuse(key, visited.has(key) ? result.errors[key] : null);
    for (const key of ["ssid", "password"]) {
      write(byId(`${key}-doubt`), result.errors[key] ? "" : result.warnings[key] || "");
    }
    return result;
  }

  function duration(seconds) {
    const whole = Math.max(1, Math.round(seconds));
    if (whole < 60) return `${whole} second${whole === 1 ? "" : "s"}`;
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }

  function refresh() {
    const mode = form.elements.mode.value;
    byId("part-network").hidden = byId("part-proxy").hidden = mode !== "network";
    byId("part-device").hidden = mode === "clear";
    byId("part-clear").hidden = mode !== "clear";
    byId("part-fixed").hidden = !byId("fixed").checked;
    const { settings, errors } = review();
    const rate = Number(form.elements.rate.value);
    byId("summary").textContent = "";
    if (Object.keys(errors).length) return;
    const records = Encoder.encodeRecords(settings);
    const pass = Encoder.symbols(Encoder.packet(records)).length / rate;
    byId("summary").textContent =
      `One pass takes ${duration(pass)} (${records.length} of ${Encoder.MAX_LEN} bytes). It is repeated until you stop it.`;
  }

  function show(button, visible) {
    byId(button.getAttribute("aria-controls")).type = visible ? "text" : "password";
    button.setAttribute("aria-pressed", String(visible));
    button.textContent = visible ? "Hide" : "Show";
  }

  function hideSecrets() {
    for (const button of form.querySelectorAll(".show")) show(button, false);
  }

  form.addEventListener("input", () => {
    write(byId("outcome"), "");
    refresh();
  });
  form.addEventListener("change", (event) => {
    const { id, value } = event.target;
    if (TEXTS.includes(id) && value !== "") visited.add(id);
    refresh();
  });
  for (const button of form.querySelectorAll(".show")) {
    button.addEventListener("click", () => show(button, button.getAttribute("aria-pressed") !== "true"));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (sending) return;
    for (const key of Object.keys(Rules.check(entries()).errors)) visited.add(key);
    const { settings, errors } = review();
    const first = [...form.elements].find((element) => element.id in errors);
    if (first) {
      if (byId("more").contains(first)) byId("more").open = true;
      byId("outcome").textContent = "Not started: see the marked entries.";
      first.focus();
      return;
    }
    start(settings);
  });

  // ---- prefilling ----------------------------------------------------------------------------

  // ?ssid=...&rate=60 and so on fill the form in. A query is sent to the web server and written into its
  // log, so a password is only taken from the fragment, which is not, and then removed.
  function prefill() {
    const query = new URLSearchParams(location.search);
    const fragment = new URLSearchParams(location.hash.slice(1));
    const leaked = SECRETS.filter((key) => query.has(key));
    for (const key of leaked) query.delete(key);
    for (const values of [query, fragment]) {
      for (const key of TEXTS) if (values.has(key)) byId(key).value = values.get(key);
      for (const key of TICKS) if (values.has(key)) byId(key).checked = !["", "0", "false"].includes(values.get(key));
      for (const [key, allowed] of Object.entries(CHOICES)) {
        if (allowed.includes(values.get(key))) form.elements[key].value = values.get(key);
      }
    }
    if (["address", "netmask", "gateway", "dns1", "dns2"].some((key) => byId(key).value)) byId("fixed").checked = true;
    if (byId("proxyServer").value) byId("more").open = true;
    const secret = SECRETS.some((key) => fragment.has(key));
    if (leaked.length || secret) {
      const search = query.toString() ? `?${query}` : "";
      history.replaceState(null, "", location.pathname + search + (secret ? "" : location.hash));
    }
    if (leaked.length) {
      byId("outcome").textContent = "The password in this page’s address was not taken, because addresses are " +
        "kept in logs. Please type it.";
    }
  }

  // ---- the light -----------------------------------------------------------------------------

  let sending = null; // everything that belongs to one sending; null while the form is shown
  let lastUs = 0;

  function linear(value) {
    const v = value / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }

  function paintedLevel() {
    const [red, green, blue] = getComputedStyle(square).backgroundColor.match(/[\d.]+/g).map(Number);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  }

  /**
   * Tells whoever listens what the square shows: once for each animation frame from the countdown (it
   * is black then) until sending stops, and a last time, black, when it has stopped.
   */
  function tell(us) {
    lastUs = us;
    const level = paintedLevel();
    window.dispatchEvent(new CustomEvent("lutin-frame", { detail: { us, level } }));
    if (framed) window.parent.postMessage({ lutin: "frame", us, level }, location.origin);
    return level;
  }

  // Only a page of the same server hears the frames. One opened from a disk has no origin that a message
  // could be addressed to, and the parent of a stranger's page may not even be asked for its own.
  const framed = (() => {
    try {
      return window.parent !== window && location.protocol !== "file:" &&
        window.parent.location.origin === location.origin;
    } catch {
      return false;
    }
  })();

  function paint(symbol) {
    square.style.backgroundColor = COLOURS[symbol];
  }

  function start(settings) {
    const rate = Number(form.elements.rate.value);
    const packet = Encoder.packet(Encoder.encodeRecords(settings));
    sending = {
      rate,
      symbols: Encoder.symbols(packet),
      meter: Pace.createMeter(),
      pacer: Pace.createPacer(rate),
      began: null, // when the countdown began
      index: -1, // the symbol on show; -1 is the countdown
      pass: 0,
      frames: 0,
      dropped: 0,
      recent: [], // for each of the last frames, how many were dropped before it
      reported: 0, // when the line about frames was last written
      changed: false, // the square was seen in another colour than was set
      awake: keepAwake(),
      request: 0,
    };
    hideSecrets();
    write(byId("outcome"), "");
    write(stateLine, "");
    write(framesLine, "");
    write(byId("stage-hint"), "Turn the brightness up to full. Hold the light sensor close to the square.");
    square.className = form.elements.size.value;
    paint(Encoder.BLACK);
    stage.showModal(); // which also puts the focus on Stop
    sending.request = requestAnimationFrame(frame);
  }

  function frame(now) {
    const job = sending;
    if (!job) return;
    const dropped = job.meter.add(now);
    if (job.index < 0) countDown(job, now);
    else advance(job, now, dropped);
    const level = tell(Math.round(now * 1000));
    if (job.index >= 0) watchColours(job, level);
    if (sending === job) job.request = requestAnimationFrame(frame);
  }

  function countDown(job, now) {
    if (job.began === null) job.began = now;
    const left = COUNTDOWN_MS - (now - job.began);
    if (left > 0) {
      write(stateLine, `Starting in ${Math.ceil(left / 1000)}`);
      return;
    }
    job.pacer.start(now);
    job.reported = now;
    begin(job, 0);
  }

  function begin(job, index) {
    job.index = index;
    if (index === 0) {
      job.pass += 1;
      const { symbol } = Pace.plan(job.rate, job.meter.period() || FALLBACK_PERIOD);
      write(stateLine, `Pass ${job.pass}. One pass takes ${duration((job.symbols.length * symbol) / 1000)}.`);
    }
    paint(job.symbols[index]);
  }

  function advance(job, now, dropped) {
    const period = job.meter.period() || FALLBACK_PERIOD;
    if (job.pacer.due(now, period)) begin(job, (job.index + 1) % job.symbols.length);
    job.frames += 1 + dropped;
    job.dropped += dropped;
    job.recent.push(dropped);
    if (job.recent.length > 600) job.recent.shift();
    if (now - job.reported < 1000) return;
    job.reported = now;
    write(framesLine, frameReport(job, period));
  }

  function frameReport(job, period) {
    const said = [];
    if (job.changed) {
      said.push("Something changes the colours of this page, and the device will not understand them: " +
        "switch off dark-mode and contrast add-ons.");
    }
    if (period > (1000 / job.rate) * 1.1) {
      said.push(`This screen shows ${Math.round(1000 / period)} images a second, so symbols last longer than asked.`);
    }
    if (job.dropped) {
      const recent = job.recent.reduce((sum, count) => sum + count, 0);
      const share = recent / (recent + job.recent.length);
      const percent = ((job.dropped / job.frames) * 100).toFixed(1);
      said.push(`Frames dropped: ${job.dropped} (${percent} %).`);
      if (share > MANY_DROPPED) {
        said.push(job.rate > 20 ? "If the device does not understand, choose a lower rate under More."
          : "If the device does not understand, close other programs or use another screen.");
      }
    }
    return said.join(" ");
  }

  // A browser add-on that repaints pages cannot be seen from the script's own variables, only from the
  // colour that the square really has.
  function watchColours(job, level) {
    const wanted = [0, linear(188), 1][job.symbols[job.index]];
    if (Math.abs(level - wanted) > 0.02) job.changed = true;
  }

  function stop(reason) {
    if (!sending) return;
    const job = sending;
    sending = null;
    cancelAnimationFrame(job.request);
    paint(Encoder.BLACK);
    // The clock of animation frames; never behind a frame already told of.
    tell(Math.max(Math.round(performance.now() * 1000), lastUs + 1));
    job.awake.release();
    job.symbols.fill(0);
    stage.close();
    const whole = Math.max(0, job.pass - 1);
    write(byId("outcome"), `${reason} ${outcome(whole)}`);
    byId("start").focus();
    byId("start").scrollIntoView({ block: "nearest" }); // with what is now said above it
  }

  function outcome(whole) {
    if (whole === 0) return "No pass was completed.";
    return `${whole === 1 ? "One pass was" : `${whole} passes were`} sent whole. ` +
      "A green light for three seconds means received and stored; a red one, not understood.";
  }

  /** Holds the screen awake where the browser can; nothing is lost where it cannot. */
  function keepAwake() {
    let released = false;
    let lock = null;
    if (navigator.wakeLock) {
      navigator.wakeLock.request("screen").then((got) => {
        if (released) got.release().catch(() => {});
        else lock = got;
      }, () => {});
    }
    return {
      release() {
        released = true;
        if (lock) lock.release().catch(() => {});
      },
    };
  }

  byId("stop").addEventListener("click", () => stop("Stopped."));
  // The Enter that started or stopped it may still be held down; its repeats must not undo that.
  document.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter") event.preventDefault();
  });
  stage.addEventListener("cancel", () => stop("Stopped.")); // Escape, or a phone's back gesture
  stage.addEventListener("close", () => {
    if (!stage.open) stop("Stopped."); // closed by anything else
  });
  document.addEventListener("visibilitychange", () => {
    // No frames are shown in the background, and half a packet would be left standing in the light.
    if (document.hidden) stop("Stopped because the page was hidden.");
  });
  window.addEventListener("pagehide", () => {
    stop("Stopped.");
    for (const key of SECRETS) byId(key).value = ""; // the page may be kept and come back
  });

  prefill();
  refresh();
})();
