// The page: what can be asked for, the composer, and what its buttons do.

import { get, withKey } from "./api.js";
import { chat, history, views } from "./asking.js";
import { clipOf, player, silence } from "./clip.js";
import { $, clock, h, icon, say } from "./dom.js";
import { hasMicrophone, listen, wav } from "./microphone.js";
import { clear, forget, keep, kept } from "./store.js";
import { talk } from "./talking.js";
import { add, bottom, change, empty, newId, onRetry, remove, reveal, turns } from "./thread.js";
import { TASKS } from "./views.js";

const RATE = 16000; // of recordings: what models hear
const state = { models: [], server: null, task: "ask", clips: [], stop: null, recorder: null, live: null };
const model = () => state.models.find(({ id }) => id === $("model").value);

// What is wrong, in words; `retry` is what its button does.
function problem(text, retry) {
  $("problem").replaceChildren(text, retry ? h("button", { type: "button", class: "quiet", onclick: () => { problem(""); retry(); } }, icon("again"), "Try again") : "");
  $("problem").hidden = !text;
}

async function load() {
  try {
    const [{ data }, { server }] = await Promise.all([get("v1/models"), get("info")]);
    state.server = server;
    state.models = data.filter(({ hark }) => hark.can);
    $("model").replaceChildren(...state.models.map(({ id }) => h("option", { value: id }, id)));
    const chosen = localStorage.getItem("hark-model");
    if (state.models.some(({ id }) => id === chosen)) $("model").value = chosen;
    problem("");
  } catch (error) {
    problem(error.message, load);
  }
  offer();
}

// Only what works is offered: by the model, by the server, by the browser.
function offer() {
  const { can, tasks = [] } = model()?.hark ?? {};
  const names = can ? [...(can.free_prompt ? ["ask"] : []), ...tasks] : [];
  if (can?.tasks.includes("translate")) names.splice(names.indexOf("transcript") + 1, 0, "translation");
  if (!names.includes(state.task)) state.task = names[0] ?? "ask";
  $("picker").hidden = !state.models.length;
  $("tasks").hidden = names.length < 2;
  $("tasks").replaceChildren($("tasks").firstElementChild, ...Object.keys(TASKS).filter((name) => names.includes(name)).map((name) =>
    h("label", {}, h("input", { type: "radio", name: "task", value: name, checked: name === state.task, onchange: () => { state.task = name; describe(); } }), h("span", {}, TASKS[name].label))));
  $("web").hidden = !state.server?.urls;
  const live = Boolean(hasMicrophone && state.server?.realtime && can && (can.free_prompt || can.tasks.includes("transcribe")));
  for (const [way, able] of [["record", hasMicrophone], ["talk", live]]) {
    $(way).hidden = !able;
    document.querySelector(`[data-way=${way}]`).hidden = !able;
  }
  $("send").disabled = !names.length;
  describe();
}

function describe() {
  const { about, wish } = TASKS[state.task];
  const words = state.task === "ask" || wish;
  $("prompt").hidden = !words;
  $("prompt").placeholder = wish ? "A wish for its chords, such as jazz reharmonization (or nothing)" : turns.length || state.clips.length ? "What do you want to know?" : "Add a recording, and ask about it";
  $("about").textContent = about;
  $("about").hidden = !about || Boolean(wish);
  $("new").hidden = !turns.length && !state.clips.length;
  const [name, label] = state.stop ? ["stop", "Stop"] : ["send", "Send"];
  $("send").replaceChildren(icon(name), h("span", {}, label));
}

// --- recordings that wait to be sent

function tray() {
  $("tray").replaceChildren(...state.clips.map((clip) => h("li", {}, player(clip, () => {
    state.clips.splice(state.clips.indexOf(clip), 1);
    say(`${clip.name} removed.`);
    tray();
    $("prompt").focus();
  }).element)));
  if (state.clips.length) keep({ id: 0, clips: state.clips });
  else forget(0);
  describe();
}

function attach(clip) {
  const { max_clips: most = 16, max_upload_mb: mb = Infinity } = state.server ?? {};
  if (clip.size > mb * 2 ** 20) return problem(`${clip.name} is larger than the server takes (${mb} MB).`);
  if (state.clips.length >= most) return problem(`The server takes ${most} recordings at once.`);
  if (clip.blob && !clip.size) return problem(`${clip.name} is empty.`);
  problem("");
  state.clips.push(clip);
  say(`${clip.name} added.`);
  return tray();
}

async function attachFiles(files) {
  for (const file of files) attach(await clipOf(file, file.name));
  $("prompt").focus();
}

function link() {
  const given = $("link").value.trim();
  let address;
  try { address = new URL(given); } catch { /* told below */ }
  if (!address || !/^https?:$/.test(address.protocol)) { problem("That is no address: it begins with https://."); return; }
  attach({ name: decodeURI(address.pathname.split("/").pop()) || address.host, url: address.href, seconds: 0, size: 0, peaks: null });
  $("link").value = "";
  linking(false);
}

function linking(shown) {
  $("linking").hidden = !shown;
  $("web").setAttribute("aria-expanded", String(shown));
  (shown ? $("link") : $("prompt")).focus();
}

// --- the microphone

async function record() {
  if (state.recorder || state.live) return;
  const recorder = state.recorder = { pieces: [], samples: 0 };
  problem("");
  silence();
  try {
    recorder.stop = await listen(RATE, false, (pcm, peak) => {
      recorder.pieces.push(pcm);
      recorder.samples += pcm.length;
      $("clock").textContent = clock(recorder.samples / RATE);
      $("recording").style.setProperty("--level", peak.toFixed(3));
      if (recorder.samples * 2 > (state.server?.max_upload_mb ?? 256) * 2 ** 20 - 100) finish(true);
    });
  } catch (error) {
    state.recorder = null;
    problem(error.message);
    return;
  }
  $("clock").textContent = "0:00";
  recording(true);
  say("Recording.");
  $("finish").focus();
}

function recording(on) {
  $("recording").hidden = !on;
  for (const name of ["record", "talk", "send"]) $(name).disabled = on;
}

async function finish(wanted) {
  const { stop, pieces } = state.recorder;
  state.recorder = null;
  recording(false);
  offer();
  await stop();
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (wanted && pieces.length) attach(await clipOf(wav(pieces, RATE), `Recording ${time}`));
  else say("Discarded.");
  $("prompt").focus();
}

// --- questions

function send() {
  if (state.stop) { state.stop.abort(); return; }
  if (state.recorder || state.live || !model()) return;
  const text = $("prompt").hidden ? "" : $("prompt").value.trim();
  const known = turns.some(({ clips }) => clips?.length);
  if (!state.clips.length && !known) { problem("Add a recording first: record, open or drop one."); return; }
  if (state.task === "ask" && !text) { problem("Type a question, or choose what to do with the recording."); $("prompt").focus(); return; }
  problem("");
  const asked = add({ id: newId(), role: "user", text, task: state.task, clips: state.clips });
  change(asked);
  state.clips = [];
  $("prompt").value = "";
  grow();
  tray();
  answer(asked);
}

function recent(asked) {
  const turn = turns.slice(0, turns.indexOf(asked) + 1).findLast(({ clips }) => clips?.length);
  return turn.clips.map((clip, number) => ({ clip, place: `${turn.id}/${number}` }));
}

async function answer(asked) {
  const turn = add({ id: newId(), role: "model", model: model().id, state: "busy", about: asked.id });
  const { signal } = state.stop = new AbortController();
  const way = { can: model().hark.can, server: state.server, signal };
  describe();
  say("Asked. The answer comes.");
  try {
    if (asked.task === "ask") await chat(turn, asked, way);
    else await views(turn, asked, recent(asked), way);
    turn.state = "done";
    if (!turn.text && !turn.views?.length) turn.notices = [...(turn.notices ?? []), { text: "The model said nothing." }];
    say(turn.text || "The answer is there.");
  } catch (error) {
    const stopped = error.name === "AbortError";
    Object.assign(turn, stopped ? { state: "stopped" } : { state: "failed", error: error.message });
    if (stopped) say("Stopped.");
  }
  state.stop = null;
  change(turn);
  reveal(asked);
  describe();
}

onRetry((turn) => {
  const asked = turns.find(({ id }) => id === turn.about);
  if (state.stop || state.live || !asked) return;
  remove(turn);
  forget(turn.id);
  answer(asked);
  $("prompt").focus();
});

async function begin() {
  state.stop?.abort();
  state.live?.end();
  silence();
  await clear();
  empty();
  state.clips = [];
  tray();
  problem("");
  say("A new conversation.");
  $("prompt").focus();
}

// --- live

async function live() {
  if (state.live || state.stop || state.recorder) return;
  const { id, hark: { can } } = model();
  problem("");
  silence();
  const earlier = can.several_turns && turns.length ? history(turns.at(-1), can, state.server) : [];
  state.live = talk({ model: id, writes: can.tasks.includes("transcribe"), earlier, ended: (why) => {
    state.live = null;
    $("live").hidden = true;
    $("composer").hidden = false;
    if (why) problem(why, live);
    offer();
    $("talk").focus();
  } });
  $("composer").hidden = true;
  $("live").hidden = false;
  describe();
  $("end").focus();
}

// --- what people do

function grow() {
  $("prompt").style.height = "auto";
  $("prompt").style.height = `${Math.min($("prompt").scrollHeight, 200)}px`;
}

function keyDialog(wrong) {
  const dialog = $("keyed");
  $("keysaid").textContent = wrong ? "That key is not right, or not any more." : "It is kept until you close this tab.";
  $("keysaid").className = wrong ? "error" : "soft";
  $("key").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "given" ? $("key").value.trim() : null);
  });
}

function wire() {
  const press = (id, work) => $(id).addEventListener("click", work);
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("prompt").addEventListener("input", grow);
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!state.stop) send();
  });
  $("link").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); link(); } });
  $("files").addEventListener("change", () => { attachFiles([...$("files").files]); $("files").value = ""; });
  $("model").addEventListener("change", () => { localStorage.setItem("hark-model", $("model").value); offer(); });
  press("attach", () => $("files").click());
  press("record", record);
  press("finish", () => finish(true));
  press("discard", () => finish(false));
  press("web", () => linking($("linking").hidden));
  press("linked", link);
  press("talk", live);
  press("end", () => state.live.end());
  press("hush", () => state.live.hush());
  press("new", begin);
  press("keyless", () => $("keyed").close());
  $("keyed").querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); $("keyed").close("given"); });
  for (const way of document.querySelectorAll("[data-way]")) way.addEventListener("click", () => $(way.dataset.way).click());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || $("keyed").open) return;
    if (state.live) state.live.end();
    else if (!$("linking").hidden) linking(false);
    else state.stop?.abort();
  });
  dropping();
}

function dropping() {
  const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (event, shown) => { if (has(event)) { event.preventDefault(); $("drop").hidden = !shown; } };
  document.addEventListener("dragenter", (event) => show(event, true));
  document.addEventListener("dragover", (event) => show(event, true));
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) show(event, false); });
  document.addEventListener("drop", (event) => {
    show(event, false);
    if (has(event) && !state.live) attachFiles([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => { if (event.clipboardData?.files.length) attachFiles([...event.clipboardData.files]); });
}

async function restore() {
  for (const turn of await kept()) {
    if (turn.id === 0) state.clips = turn.clips;
    else add(turn);
  }
  tray();
  bottom();
}

withKey(keyDialog);
wire();
await restore();
await load();
