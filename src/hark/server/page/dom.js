// Elements are made here and nowhere else: children that are strings become text, never HTML.

export const $ = (id) => document.getElementById(id);

function filled(made, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((child) => child || child === 0));
  return made;
}

export const h = (tag, props = {}, ...children) => filled(document.createElement(tag), tag === "button" ? { type: tag, ...props } : props, children);
export const svg = (tag, props, ...children) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
export const button = (text, onclick, props) => h("button", { class: "quiet", onclick, ...props }, text);
export const soft = (...text) => h("p", { class: "soft" }, text);

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part, n) => (n ? String(part).padStart(2, "0") : part)).join(":");
}

export const now = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const say = (text) => { $("status").textContent = text; };

export function save(name, text) {
  const href = URL.createObjectURL(new Blob([text]));
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}
