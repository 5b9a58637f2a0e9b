// The console: the board's lines, and a line to type to it.

import { $, element } from "./words.js";

const MOST = 500;

export function setUp(link) {
  const lines = $("console-lines");
  const input = $("console-input");
  const typed = [];
  let back = 0;

  function add(texts) {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
    lines.append(...texts.map((text) => element("p", text || "\u00a0", kind(text))));
    while (lines.childElementCount > MOST) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight; // else someone is reading further up
  }

  function enter(text) {
    if (!text.trim()) return;
    link.send({ t: "console", text });
    typed.push(text);
    back = 0;
    lines.scrollTop = lines.scrollHeight;
  }

  $("console-form").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(input.value);
    input.value = "";
  });
  $("console-form").addEventListener("click", (event) => {
    if (event.target.dataset.line) enter(event.target.dataset.line);
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || !typed.length) return;
    event.preventDefault();
    back = Math.min(typed.length, Math.max(0, back + step));
    input.value = back ? typed[typed.length - back] : "";
  });
  link.on("hello", (hello) => {
    lines.replaceChildren();
    add(hello.console);
    lines.scrollTop = lines.scrollHeight;
  });
  link.on("console", (message) => add(message.lines));
}

// The log's lines carry their level: "     12.345 W text".
function kind(text) {
  if (text.startsWith("-- ")) return "note";
  if (text.startsWith("> ")) return "typed";
  const level = /^\s*\d+\.\d{3} ([WE]) /.exec(text)?.[1];
  return { W: "warn", E: "error" }[level] ?? "";
}
