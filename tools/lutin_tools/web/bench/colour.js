// How an LED of red, green and blue dies looks. Red and green together are amber, as on the board.

const DIES = [
  [255, 62, 48],
  [70, 226, 110],
  [70, 120, 255],
];
const AMBER = [255, 176, 46];
const OFF = [60, 70, 72];

// {rgb for the screen, glow 0..1, name}
export function look(rgb) {
  const most = Math.max(...rgb);
  if (!most) return { rgb: OFF, glow: 0, name: "off" };
  const [red, green, blue] = rgb.map((v) => v / most);
  const glow = Math.sqrt(most / 255);
  let shown;
  let name;
  if (blue > 0.25) {
    shown = [0, 1, 2].map((i) => Math.min(255, DIES[0][i] * red + DIES[1][i] * green + DIES[2][i] * blue));
    name = red > 0.25 || green > 0.25 ? "mixed" : "blue";
  } else if (red > 0.25 && green > 0.25) {
    [shown, name] = [AMBER, "amber"];
  } else {
    [shown, name] = red > green ? [DIES[0], "red"] : [DIES[1], "green"];
  }
  // A dim LED is still lit: keep enough of it to be seen.
  const dim = 0.35 + 0.65 * glow;
  return { rgb: shown.map((v, i) => Math.round(OFF[i] + (v - OFF[i]) * dim)), glow, name };
}
