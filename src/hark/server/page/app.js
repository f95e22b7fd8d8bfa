// The page: what can be asked for, the composer, and what its buttons do.

import { get, withKey } from "./api.js";
import { chat, history, placed, views } from "./asking.js";
import { clipOf, player, silence } from "./clip.js";
import { $, button, clock, h, icon, now, say } from "./dom.js";
import { talk } from "./live.js";
import { hasMicrophone, listen, wav } from "./microphone.js";
import { clear, forget, keep, kept } from "./store.js";
import { add, bottom, change, empty, newId, onRetry, remove, reveal, store, turns } from "./thread.js";
import { TASKS } from "./views.js";

const RATE = 16000; // of recordings: what models hear
let models = [], server = null, task = "ask", clips = [];
let stop = null, recorder = null, live = null; // what goes on; at most one of them
const model = () => models.find(({ id }) => id === $("model").value);
const busy = () => Boolean(stop || recorder || live);
const show = (id, shown) => { $(id).hidden = !shown; };

// What is wrong, in words; `retry` is what its button does.
function problem(text = "", retry) {
  $("problem").replaceChildren(text, retry ? button("Try again", () => { problem(); retry(); }) : "");
  show("problem", text);
}

async function load() {
  try {
    const [{ data }, info] = await Promise.all([get("v1/models"), get("info")]);
    server = info.server;
    models = data.filter(({ hark }) => hark.can);
    $("model").replaceChildren(...models.map(({ id }) => h("option", { selected: id === sessionStorage.getItem("hark-model") }, id)));
    problem();
  } catch (error) {
    problem(error.message, load);
  }
  offer();
}

// Only what works is offered: by the model, by the server, by the browser.
function offer() {
  const { can, tasks = [] } = model()?.hark ?? {};
  const able = { ask: can?.free_prompt, translation: can?.tasks.includes("translate") };
  const names = Object.keys(TASKS).filter((name) => able[name] ?? tasks.includes(name));
  if (!names.includes(task)) [task = "ask"] = names;
  $("tasks").replaceChildren($("tasks").firstElementChild, ...names.map((name) => h("label", {},
    h("input", { type: "radio", name: "task", value: name, checked: name === task, onchange: () => { task = name; describe(); } }), h("span", {}, TASKS[name].label))));
  show("picker", models.length);
  show("web", server?.urls);
  const talks = hasMicrophone && server?.realtime && (can?.free_prompt || can?.tasks.includes("transcribe"));
  for (const [way, works] of [["record", hasMicrophone], ["talk", talks]]) {
    for (const one of document.querySelectorAll(`#${way}, [data-way=${way}]`)) one.hidden = !works;
  }
  describe();
}

function describe() {
  const { about, wish } = TASKS[task];
  const started = turns.length + clips.length > 0;
  $("prompt").placeholder = wish ? "A wish, such as jazz reharmonization" : started ? "What do you want to know?" : "Add a recording, and ask about it";
  show("prompt", !about);
  $("about").textContent = about;
  show("about", about);
  show("new", started);
  show("composer", !live);
  show("live", live);
  show("recording", recorder);
  $("send").textContent = stop ? "Stop" : "Send";
  for (const name of ["record", "talk", "send"]) $(name).disabled = recorder || !models.length;
}

function tray() {
  $("tray").replaceChildren(...clips.map((clip) => h("li", {}, player(clip, () => {
    clips.splice(clips.indexOf(clip), 1);
    tray();
    $("prompt").focus();
  }).element)));
  if (clips.length) keep({ id: 0, clips });
  else forget(0);
  describe();
}

function attach(clip) {
  const { max_clips: most, max_upload_mb: mb } = server ?? {};
  if (clip.size > mb * 2 ** 20) problem(`${clip.name} is over the ${mb} MB that the server takes.`);
  else if (clips.length >= most) problem(`The server takes ${most} recordings at once.`);
  else if (!clip.url && !clip.size) problem(`${clip.name} is empty.`);
  else {
    problem();
    clips.push(clip);
    say(`${clip.name} added.`);
    tray();
  }
  $("prompt").focus();
}

async function open(files) {
  for (const file of files) attach(await clipOf(file, file.name));
}

function link() {
  const url = $("link").value.trim();
  if (!/^https?:\/\/\S+$/.test(url)) { problem("An address begins with https://."); return; }
  $("link").value = "";
  linking(false);
  attach({ name: url.split("/").pop() || url, url, seconds: 0, size: 0 });
}

function linking(shown) {
  show("linking", shown);
  $(shown ? "link" : "prompt").focus();
}

async function record() {
  if (busy()) return;
  problem();
  silence();
  const pieces = [];
  $("clock").textContent = "0:00";
  recorder = { pieces };
  try {
    recorder.quiet = await listen(RATE, false, (piece, peak) => {
      const samples = pieces.push(piece) * piece.length;
      $("clock").textContent = clock(samples / RATE);
      $("recording").style.setProperty("--level", peak.toFixed(3));
      if (samples * 2 > (server.max_upload_mb - 1) * 2 ** 20) finish(true);
    });
    say("Recording.");
  } catch (error) {
    recorder = null;
    problem(error.message);
  }
  describe();
  if (recorder) $("finish").focus();
}

async function finish(wanted) {
  if (!recorder?.quiet) return;
  const { quiet, pieces } = recorder;
  recorder = null;
  describe();
  await quiet();
  if (wanted && pieces.length) attach(await clipOf(wav(pieces, RATE), `Recording ${now()}`));
  $("prompt").focus();
}

function send() {
  if (busy() || !model()) { stop?.abort(); return; }
  const text = $("prompt").hidden ? "" : $("prompt").value.trim();
  const missing = !clips.length && !turns.some((turn) => turn.clips?.length) ? "Add a recording first." : task === "ask" && !text ? "Type a question." : "";
  problem(missing);
  if (missing) return;
  const asked = add({ id: newId(), role: "user", text, task, clips });
  store(asked);
  clips = [];
  $("prompt").value = "";
  grow();
  tray();
  answer(asked);
}

async function answer(asked) {
  const { id, hark: { can } } = model();
  const turn = add({ id: newId(), role: "model", model: id, state: "busy", about: asked.id });
  stop = new AbortController();
  store(turn);
  describe();
  say("Asked.");
  try {
    const { signal } = stop;
    const about = turns.findLast((one) => one.id <= asked.id && one.clips?.length);
    if (asked.task === "ask") await chat(turn, asked, { can, server, signal });
    else await views(turn, asked, placed(about), signal);
    turn.state = "done";
    if (!turn.text && !turn.views) turn.notices = [{ text: "The model said nothing." }];
    say(turn.text || "The answer is there.");
  } catch (error) {
    Object.assign(turn, error.name === "AbortError" ? { state: "stopped" } : { state: "failed", error: error.message });
  }
  stop = null;
  change(turn);
  reveal(asked);
  describe();
}

onRetry((turn) => {
  if (busy()) return;
  remove(turn);
  forget(turn.id);
  answer(turns.find(({ id }) => id === turn.about));
  $("prompt").focus();
});

async function begin() {
  stop?.abort();
  live?.abort();
  silence();
  empty();
  await clear();
  clips = [];
  tray();
  problem();
  $("prompt").focus();
}

function converse() {
  if (busy()) return;
  problem();
  silence();
  const { id, hark: { can } } = model();
  const earlier = can.several_turns && turns.length ? history(turns.at(-1), can, server) : [];
  live = talk({ model: id, writes: can.tasks.includes("transcribe"), earlier, ended: (why) => {
    live = null;
    if (why) problem(why, converse);
    describe();
    $("talk").focus();
  } });
  describe();
  $("end").focus();
}

function grow() {
  $("prompt").style.height = "auto";
  $("prompt").style.height = `${$("prompt").scrollHeight}px`;
}

function askKey(wrong) {
  $("keysaid").textContent = wrong ? "That key is not right." : "It is kept until you close this tab.";
  $("keysaid").className = wrong ? "error" : "soft";
  $("key").value = "";
  $("keyed").returnValue = "";
  $("keyed").showModal();
  return new Promise((resolve) => { $("keyed").onclose = () => resolve($("keyed").returnValue && $("key").value.trim()); });
}

const PRESSED = {
  attach: () => $("files").click(), record, finish: () => finish(true), discard: () => finish(false), linked: link, new: begin,
  web: () => linking($("linking").hidden), talk: converse, end: () => live.abort(), hush: () => live.hush(), keyless: () => $("keyed").close(),
};
for (const [id, work] of Object.entries(PRESSED)) $(id).onclick = work;
for (const one of document.querySelectorAll("[data-icon]")) one.prepend(icon(one.dataset.icon));
for (const way of document.querySelectorAll("[data-way]")) way.onclick = () => $(way.dataset.way).click();
$("composer").onsubmit = (event) => { event.preventDefault(); send(); };
$("keyed").firstElementChild.onsubmit = (event) => { event.preventDefault(); $("keyed").close("given"); };
$("prompt").oninput = grow;
$("files").onchange = () => { open([...$("files").files]); $("files").value = ""; };
$("model").onchange = () => { sessionStorage.setItem("hark-model", $("model").value); offer(); };

document.addEventListener("keydown", (event) => {
  const { key, target, shiftKey, isComposing } = event;
  if (key === "Escape" && !$("keyed").open) { (live ?? stop)?.abort(); }
  if (key !== "Enter" || shiftKey || isComposing || (target !== $("prompt") && target !== $("link"))) return;
  event.preventDefault();
  if (target === $("link")) link();
  else if (!busy()) send();
});

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    show("drop", kind !== "drop" && (kind !== "dragleave" || event.relatedTarget));
    if (kind === "drop" && !live) open([...event.dataTransfer.files]);
  });
}
document.addEventListener("paste", (event) => open([...event.clipboardData.files]));

withKey(askKey);
for (const turn of await kept()) {
  if (turn.id) add(turn);
  else ({ clips } = turn);
}
tray();
bottom();
load();
