// The conversation as it is seen: a turn is plain data, its element is made of it, and made anew when it changes.

import { lines, player } from "./clip.js";
import { $, button, clock, h, soft } from "./dom.js";
import { keep } from "./store.js";
import { notices, TASKS, view } from "./views.js";

export const turns = [];
const elements = new Map();
const players = new WeakMap(); // of clips: one may be playing while its turn is drawn anew
const sounds = new Map(); // "turn/number of the clip" -> what plays it
let again;

export const onRetry = (retry) => { again = retry; };
export const newId = () => Math.max(Date.now(), (turns.at(-1)?.id ?? 0) + 1); // other windows keep turns, too
export const bottom = () => window.scrollTo(0, document.body.scrollHeight);
export const reveal = (turn) => elements.get(turn.id)?.scrollIntoView(); // a long answer is read from its begin

export function add(turn) {
  turns.push(turn);
  draw(turn);
  bottom();
  return turn;
}

// An answer that still comes is kept as far as it came, for a reload.
export const store = (turn) => keep(turn.state === "busy" ? { ...turn, state: "stopped" } : turn);

export function change(turn) {
  if (!turns.includes(turn)) return; // all was cleared meanwhile
  draw(turn);
  store(turn);
}

export function remove(turn) {
  turns.splice(turns.indexOf(turn), 1);
  elements.get(turn.id).remove();
}

export function empty() {
  turns.length = 0;
  $("thread").replaceChildren();
}

function draw(turn) {
  const made = h("li", { class: `turn ${turn.role}` }, turn.role === "user" ? said(turn) : answered(turn));
  const before = elements.get(turn.id);
  if (before?.isConnected) before.replaceWith(made);
  else $("thread").append(made);
  elements.set(turn.id, made);
}

function said({ id, clips, task, text, partial }) {
  const made = clips.map((clip, number) => {
    if (!players.has(clip)) players.set(clip, player(clip));
    sounds.set(`${id}/${number}`, players.get(clip).sound);
    return players.get(clip).element;
  });
  return [h("h3", { class: "sr" }, "You"), made, task !== "ask" && h("p", { class: "text task" }, TASKS[task].label),
    (text || partial) && h("p", { class: `text ${partial ? "partial" : ""}` }, text || "\u2026")];
}

function answered(turn) {
  const { id, model, views, state, text, heard, evidence, error, why = "Stopped." } = turn;
  return [
    h("h3", { class: "who" }, model),
    views?.map((each) => view(each, sounds.get(each.heard))),
    text && h("p", { class: `text ${state}` }, text),
    state === "busy" && h("div", { class: "progress", "data-busy": true }, steps(turn)),
    evidence?.length > 0 && h("details", {}, h("summary", {}, `Heard at ${evidence.length} place${evidence.length > 1 ? "s" : ""}`),
      lines(evidence, heard?.length === 1 ? sounds.get(heard[0]) : null)),
    notices(turn.notices),
    state === "stopped" && soft(why),
    state === "failed" && h("p", { class: "error", role: "alert" }, error),
    state !== "busy" && state !== "done" && turn.about && turn === turns.at(-1) && button("Try again", () => again(turn)),
  ];
}

function steps({ sent = 1, at, of, what = "", text }) {
  if (sent < 1) return [bar(sent), `Uploading ${Math.floor(100 * sent)} %`];
  if (at && of) return [bar(Math.min(1, at / of)), `Hearing ${what}`, ` ${clock(at)} of ${clock(of)}`];
  return text ? [] : [h("span", { class: "wait" }, h("i"), h("i"), h("i")), `Hearing ${what}`];
}

function bar(share) {
  const inner = h("i");
  inner.style.width = `${100 * share}%`;
  return h("span", { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuenow": Math.round(100 * share) }, inner);
}

// What changes many times a second: the rest stays, and with it a screen reader's place, and a selection.
export function progress(turn, known) {
  Object.assign(turn, known);
  elements.get(turn.id).querySelector("[data-busy]")?.replaceChildren(...steps(turn));
}

export function more(turn, text) {
  const shown = turn.text && elements.get(turn.id).querySelector(".text");
  const low = window.innerHeight + window.scrollY > document.body.scrollHeight - 160;
  turn.text = (turn.text ?? "") + text;
  if (shown) shown.append(text);
  else draw(turn);
  if (low) bottom();
}
