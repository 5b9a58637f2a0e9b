// A status light as its pattern says: "A4-4" is amber for four units and dark for four, over and over.

import { look } from "/bench/colour.js";

const UNIT = 125; // ms
const PINS = { R: [255, 0, 0], G: [0, 255, 0], A: [255, 255, 0], "-": [0, 0, 0] };
const still = matchMedia("(prefers-reduced-motion: reduce)");
const lamps = new Set();

export class Lamp {
  constructor(node) {
    this.node = node;
    this.show(null);
    lamps.add(this);
  }

  // state: {name, cells, once} or null for dark
  show(state) {
    if (state && this.state?.name === state.name) return;
    this.state = state;
    this.cells = state ? [...state.cells.matchAll(/([RGA-])(\d+)/g)].map(([, colour, units]) => [colour, units * UNIT]) : [["-", UNIT]];
    this.whole = this.cells.reduce((sum, [, ms]) => sum + ms, 0);
    this.began = performance.now();
    this.colour = null;
    this.node.setAttribute("aria-label", state ? `LED: ${words(this.cells)}` : "LED: off");
    this.paint(this.began);
  }

  paint(now) {
    let colour = "-";
    if (still.matches) {
      // Nothing moves: the colour that it flashes in, and the label says how.
      colour = this.cells.find(([each]) => each !== "-")?.[0] ?? "-";
    } else if (!this.state?.once || now - this.began < this.whole) {
      let at = (now - this.began) % this.whole;
      for (const [each, ms] of this.cells) {
        colour = each;
        at -= ms;
        if (at < 0) break;
      }
    }
    if (colour === this.colour) return;
    this.colour = colour;
    const { rgb, glow, name } = look(PINS[colour]);
    this.node.style.setProperty("--led", rgb.join(" "));
    this.node.style.setProperty("--glow", glow);
    this.node.dataset.colour = name;
  }

  remove() {
    lamps.delete(this);
  }
}

const NAMES = { R: "red", G: "green", A: "amber" };

function words(cells) {
  const lit = cells.filter(([colour]) => colour !== "-");
  if (!lit.length) return "off";
  if (cells.length === 1) return NAMES[lit[0][0]];
  return `flashes ${lit.map(([colour, ms]) => `${ms >= 500 ? "long" : "short"} ${NAMES[colour]}`).join(", ")}`;
}

setInterval(() => {
  const now = performance.now();
  for (const lamp of lamps) lamp.paint(now);
}, UNIT / 4);
