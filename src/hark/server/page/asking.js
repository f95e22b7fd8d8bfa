// One question to the server: what is sent of the conversation, and what becomes of the events that come back.

import { checked, post } from "./api.js";
import { keep } from "./store.js";
import { more, progress, turns } from "./thread.js";
import { TASKS } from "./views.js";

const MB = 2 ** 20;

// The conversation up to a turn, as messages in turn; no more of it than the model and the server take.
export function history(last, can, server) {
  const said = [];
  for (const turn of turns.slice(0, turns.indexOf(last) + 1)) {
    const role = turn.role === "user" ? "user" : "assistant";
    const clips = (turn.clips ?? []).map((clip, number) => ({ clip, place: `${turn.id}/${number}` }));
    const texts = [(role === "assistant" || (turn.task === "ask" && !turn.live)) && turn.text].filter(Boolean);
    if (!clips.length && !texts.length) continue;
    if (said.at(-1)?.role === role) { said.at(-1).clips.push(...clips); said.at(-1).texts.push(...texts); }
    else said.push({ role, clips, texts });
  }
  const kept = can.several_turns ? said : alone(said, last);
  let room = can.several_clips ? server.max_clips : 1;
  for (const message of [...kept].reverse()) {
    message.clips = room ? message.clips.slice(-room) : [];
    room -= message.clips.length;
  }
  return kept.filter(({ clips, texts }) => clips.length || texts.length);
}

function alone(said, last) {
  const clips = said.findLast((message) => message.clips.length)?.clips ?? [];
  return [{ role: "user", clips, texts: [last.text].filter(Boolean) }];
}

async function base64(blob) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
}

async function part({ clip }) {
  if (clip.url) return { type: "audio_url", audio_url: { url: clip.url } };
  return { type: "input_audio", input_audio: { data: await base64(clip.blob), format: "wav" } };
}

// Kept about once a second while it comes, so that a reload loses little of it.
function keeping(turn) {
  let then = Date.now();
  return () => {
    if (Date.now() - then < 1000) return;
    then = Date.now();
    keep({ ...turn, state: "stopped" });
  };
}

export async function chat(turn, asked, { can, server, signal }) {
  const said = history(asked, can, server);
  turn.heard = said.flatMap(({ clips }) => clips.map(({ place }) => place));
  const bytes = said.flatMap(({ clips }) => clips).reduce((sum, { clip }) => sum + (clip.size ?? 0), 0);
  if (bytes * 4 / 3 > server.max_json_mb * MB) {
    throw new Error(`The recordings are too large for a question: the server takes ${Math.floor(server.max_json_mb * 0.75)} MB in all. A transcript and notes can be had of larger ones.`);
  }
  const messages = [];
  for (const { role, clips, texts } of said) {
    const parts = await Promise.all(clips.map(part));
    messages.push({ role, content: [...parts, ...(texts.length ? [{ type: "text", text: texts.join("\n\n") }] : [])] });
  }
  const tick = keeping(turn);
  await post("v1/chat/completions", JSON.stringify({ model: turn.model, stream: true, messages }), {
    signal,
    onupload: (sent) => progress(turn, { sent }),
    onevent: (event) => {
      const { choices = [], hark } = checked(event);
      const text = choices[0]?.delta?.content;
      if (text) { more(turn, text); tick(); }
      if (hark?.heard !== undefined) progress(turn, { at: hark.heard });
      if (choices[0]?.finish_reason) Object.assign(turn, { evidence: hark?.evidence, notices: hark?.notices });
    },
  });
}

export async function views(turn, asked, clips, { signal, server }) {
  const { path, fields, files, wish } = TASKS[asked.task];
  turn.views = [];
  turn.heard = clips.map(({ place }) => place);
  for (const { clip, place } of clips) {
    const form = new FormData();
    if (clip.url) form.append("url", clip.url);
    else form.append("file", clip.blob, clip.name);
    if (clip.size > server.max_upload_mb * MB) throw new Error(`${clip.name} is larger than the server takes (${server.max_upload_mb} MB).`);
    const text = wish && asked.text ? { [wish]: asked.text } : {};
    for (const [name, value] of Object.entries({ model: turn.model, stream: "true", ...fields, ...text })) form.append(name, value);
    for (const form_ of ["json", ...files]) form.append("response_format", form_);
    Object.assign(turn, { text: "", at: 0, of: clip.seconds, what: clips.length > 1 ? clip.name : "" });
    const tick = keeping(turn);
    await post(`hark/${path ?? asked.task}`, form, {
      signal,
      onupload: (sent) => progress(turn, { sent }),
      onevent: (event) => {
        const { type, seconds, duration, segments = [], result, files: made } = checked(event);
        if (type === "begun") progress(turn, { of: duration });
        if (type === "heard" && seconds !== null) progress(turn, { at: seconds });
        if (path || asked.task === "transcript") segments.forEach((segment) => more(turn, `${segment.text} `));
        if (type === "done") turn.views.push({ task: asked.task, name: clip.name, result, files: made, heard: place });
        tick();
      },
    });
    turn.text = "";
  }
}
