// Small helpers: finding elements, filling lists of facts, saying times.

export const $ = (id) => document.getElementById(id);

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Set text only where it changed: a screen reader reads every change.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// facts: [[term, text or null, class]…]; null leaves the line out.
export function facts(list, lines) {
  const shown = lines.filter(([, text]) => text !== null && text !== undefined && text !== "");
  const key = JSON.stringify(shown);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...shown.flatMap(([term, text, kind]) => [element("dt", term), element("dd", String(text), kind)]));
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(count < 1e5 ? 1 : 0)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

// since: seconds since 1970
export function clock(since) {
  return new Date(since * 1000).toLocaleTimeString([], { hour12: false });
}

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
