// The screen of the instrument: the LED's dies as two lanes, the sensor's reading below, one time axis.

import { look } from "./colour.js";

const KEEP_MS = 13000;
const LATE_MS = 250; // the right edge lies this far back: what it shows has arrived by then
const EVERY_MS = 80;
const LANES = 44; // px for the LED
const FULL = 65535;

export class Scope {
  constructor(canvas, reading) {
    this.canvas = canvas;
    this.reading = reading;
    this.window = 10000;
    this.held = 0;
    this.drawn = 0;
    this.clear();
    new ResizeObserver(() => this.fit()).observe(canvas);
    new IntersectionObserver((seen) => (this.seen = seen[seen.length - 1].isIntersecting)).observe(canvas);
    requestAnimationFrame(() => this.frame());
  }

  // A board that starts begins its clock anew.
  clear() {
    this.offset = null; // page's ms minus board's ms, at the least delay seen
    this.leds = []; // {at, rgb}, at in the board's ms
    this.points = []; // {at, v}
    this.on = true;
  }

  led({ us, rgb }) {
    this.learn(us / 1000);
    // Two pins change one after the other: what lasts less than a millisecond nobody sees.
    if (this.leds.length && us / 1000 - this.leds[this.leds.length - 1].at < 1) this.leds.pop();
    this.leds.push({ at: us / 1000, rgb });
    while (this.leds.length > 2 && this.leds[1].at < us / 1000 - KEEP_MS) this.leds.shift();
  }

  trace({ us, dt, v }) {
    const start = (us - (v.length - 1) * dt) / 1000; // us is when the last one was read
    this.learn(us / 1000);
    for (let i = 0; i < v.length; i++) this.points.push({ at: start + (i * dt) / 1000, v: v[i] });
    let old = 0;
    while (old < this.points.length && this.points[old].at < start - KEEP_MS) old++;
    if (old > 200) this.points.splice(0, old);
    this.last = v[v.length - 1];
  }

  off() {
    this.on = false;
    this.last = undefined;
  }

  hold(yes) {
    this.held = yes ? this.now() : 0;
  }

  now() {
    return this.offset === null ? 0 : performance.now() - this.offset - LATE_MS;
  }

  learn(at) {
    const offset = performance.now() - at;
    this.offset = this.offset === null ? offset : Math.min(offset, this.offset);
  }

  fit() {
    const scale = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw(ctx); // a canvas of another size is an empty one
  }

  // Not in every frame: on a small machine the sender's square needs them more.
  frame() {
    requestAnimationFrame(() => this.frame());
    const now = performance.now();
    if (now - this.drawn < EVERY_MS) return;
    this.drawn = now;
    if (this.seen && this.width) this.draw(this.canvas.getContext("2d"));
    const text = this.last === undefined ? "no reading" : `${this.last} of ${FULL}`;
    if (this.reading.textContent !== text) this.reading.textContent = text;
  }

  draw(ctx) {
    const { width, height, window: span } = this;
    const end = this.held || this.now();
    const start = end - span;
    const left = 46;
    const x = (at) => left + ((at - start) / span) * (width - left);
    const top = LANES + 12;
    const y = (v) => top + (1 - v / FULL) * (height - top - 18);
    const style = getComputedStyle(this.canvas);
    ctx.clearRect(0, 0, width, height);
    ctx.font = "11px " + style.getPropertyValue("--mono");
    ctx.textBaseline = "middle";
    ctx.fillStyle = style.getPropertyValue("--screen-ink");
    ctx.strokeStyle = style.getPropertyValue("--screen-line");
    ctx.lineWidth = 1;

    // Grid: whole seconds, or tenths in the short window
    ctx.textAlign = "center";
    const step = span > 4000 ? 1000 : 200;
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
      line(ctx, x(at), 6, x(at), height - 16);
    }
    const ago = span > 4000 ? 2000 : 500;
    for (let back = ago; back < span; back += ago) {
      ctx.fillText(`−${back / 1000} s`, x(end - back), height - 7);
    }
    ctx.textAlign = "right";
    for (const [part, text] of [[0, "0"], [0.5, "half"], [1, "full"]]) {
      line(ctx, left, y(part * FULL), width, y(part * FULL));
      ctx.fillText(text, left - 6, y(part * FULL));
    }
    ctx.fillText("red", left - 6, 6 + LANES / 4);
    ctx.fillText("green", left - 6, 6 + (LANES * 3) / 4);
    line(ctx, left, 6 + LANES / 2, width, 6 + LANES / 2);

    ctx.save();
    ctx.beginPath();
    ctx.rect(left, 0, width - left, height);
    ctx.clip();

    // Red lights the upper lane, green the lower, amber both: colour is not the only sign.
    const lit = this.on || this.held ? this.leds : [];
    lit.forEach((led, i) => {
      const until = lit[i + 1]?.at ?? end;
      if (until < start || led.at > end) return;
      const { rgb, name } = look(led.rgb);
      if (name === "off") return;
      ctx.fillStyle = `rgb(${rgb.join(" ")})`;
      const upper = name !== "green" ? 8 : 6 + LANES / 2 + 2;
      const lower = name !== "red" ? 6 + LANES - 2 : 6 + LANES / 2 - 2;
      const from = Math.max(left, x(led.at));
      ctx.fillRect(from, upper, Math.max(1, x(Math.min(until, end)) - from), lower - upper);
    });

    ctx.strokeStyle = "#7fd6d0";
    ctx.lineWidth = 1.25;
    ctx.lineJoin = "round";
    ctx.beginPath();
    let last = -Infinity;
    for (const { at, v } of this.points) {
      if (at < start - 50) continue;
      if (at > end) break;
      // A gap in the samples is a gap in the line.
      if (at - last > 300) ctx.moveTo(x(at), y(v));
      else ctx.lineTo(x(at), y(v));
      last = at;
    }
    ctx.stroke();
    ctx.restore();
  }
}

function line(ctx, x1, y1, x2, y2) {
  ctx.beginPath();
  ctx.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  ctx.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
  ctx.stroke();
}
