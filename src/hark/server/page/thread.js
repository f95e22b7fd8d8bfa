// The conversation as it is seen: a turn is plain data, its element is made of it, and made anew when it changes.

import { lines, player } from "./clip.js";
import { $, clock, h, icon, say } from "./dom.js";
import { keep } from "./store.js";
import { notices, TASKS, view } from "./views.js";

export const turns = [];
const elements = new Map();
const players = new WeakMap();
const sounds = new Map(); // "turn/number of the clip" -> what plays it
let again = () => {};

export const onRetry = (retry) => { again = retry; };
export const newId = () => (turns.at(-1)?.id ?? 0) + 1;

export function add(turn) {
  turns.push(turn);
  draw(turn);
  bottom();
  return turn;
}

// Anew, and kept: `busy` turns are kept when they are over, so that a reload shows what came.
export function change(turn) {
  draw(turn);
  return keep(turn.state === "busy" ? { ...turn, state: "stopped" } : turn);
}

export function remove(turn) {
  turns.splice(turns.indexOf(turn), 1);
  elements.get(turn.id)?.remove();
  elements.delete(turn.id);
}

export function empty() {
  turns.length = 0;
  elements.clear();
  sounds.clear();
  $("thread").replaceChildren();
}

function draw(turn) {
  const made = h("li", { class: `turn ${turn.role}` }, turn.role === "user" ? said(turn) : answered(turn));
  const before = elements.get(turn.id);
  if (before) before.replaceWith(made);
  else $("thread").append(made);
  elements.set(turn.id, made);
}

function said(turn) {
  const clips = (turn.clips ?? []).map((clip, number) => {
    if (!players.has(clip)) players.set(clip, player(clip)); // it may be playing while its turn is drawn anew
    const { element, sound } = players.get(clip);
    sounds.set(`${turn.id}/${number}`, sound);
    return element;
  });
  const task = turn.task && turn.task !== "ask" && h("p", { class: "task" }, TASKS[turn.task].label);
  const text = turn.text || (turn.live && turn.partial) ? h("p", { class: turn.partial ? "text partial" : "text" }, turn.text || "\u2026") : null;
  return [h("h3", { class: "sr" }, "You"), clips, task, text];
}

function answered(turn) {
  const one = turn.heard?.length === 1 ? sounds.get(turn.heard[0]) : null;
  return [
    h("h3", { class: "who" }, turn.model),
    (turn.views ?? []).map((each) => view(each, sounds.get(each.heard))),
    turn.state === "busy" && !turn.text && h("div", { class: "progress", "data-busy": turn.id }, steps(turn)),
    turn.text && h("p", { class: turn.state === "busy" ? "text busy" : "text" }, turn.text),
    turn.evidence?.length ? h("details", { class: "evidence" }, h("summary", {}, `Heard at ${turn.evidence.length} ${turn.evidence.length > 1 ? "places" : "place"}`), lines(turn.evidence, one).element) : null,
    notices(turn.notices),
    turn.state === "stopped" && h("p", { class: "soft" }, turn.why ?? "Stopped."),
    turn.state === "failed" && h("p", { class: "error", role: "alert" }, turn.error),
    turn.state !== "busy" && actions(turn),
  ];
}

function actions(turn) {
  const retry = turn.about && turn === turns.at(-1) && turn.state !== "done";
  const copy = turn.text && navigator.clipboard;
  if (!retry && !copy) return null;
  return h("p", { class: "actions" },
    retry && h("button", { type: "button", class: "quiet", onclick: () => again(turn) }, icon("again"), "Try again"),
    copy && h("button", { type: "button", class: "icon small", "aria-label": "Copy the answer", title: "Copy",
      onclick: () => navigator.clipboard.writeText(turn.text).then(() => say("Copied.")) }, icon("copy")));
}

function steps({ sent, at, of, what }) {
  if (sent !== undefined && sent < 1) return [bar(sent, "Uploading"), `Uploading ${Math.floor(100 * sent)} %`];
  const name = what ? `Hearing ${what}` : "Hearing";
  if (at && of) return [bar(Math.min(1, at / of), "Hearing"), `${name}, ${clock(at)} of ${clock(of)}`];
  return [h("span", { class: "wait", "aria-hidden": "true" }, h("i"), h("i"), h("i")), name];
}

function bar(share, label) {
  const inner = h("i");
  inner.style.width = `${100 * share}%`;
  return h("span", { class: "bar-of", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(100 * share)) }, inner);
}

// What changes many times a second: the element stays, so that a screen reader's place and a selection do, too.
export function progress(turn, known) {
  Object.assign(turn, known);
  elements.get(turn.id)?.querySelector("[data-busy]")?.replaceChildren(...steps(turn).flat());
}

export function more(turn, text) {
  const shown = turn.text && elements.get(turn.id)?.querySelector(".text");
  turn.text = (turn.text ?? "") + text;
  const low = isLow();
  if (shown) shown.append(text);
  else draw(turn);
  if (low) bottom();
}

const isLow = () => window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 160;

// A long answer is read from its begin.
export const reveal = (turn) => elements.get(turn.id)?.scrollIntoView({ block: "start" });

export const bottom = () => window.scrollTo(0, document.documentElement.scrollHeight);
