// One question to the server: what is sent of the conversation, and what becomes of the events that come back.

import { post } from "./api.js";
import { more, progress, store, turns } from "./thread.js";
import { TASKS } from "./views.js";

export const placed = (turn) => (turn.clips ?? []).map((clip, number) => ({ clip, place: `${turn.id}/${number}` }));

// The conversation up to a turn, as messages in turn; no more of it than the model and the server take.
export function history(last, can, server) {
  let said = [];
  for (const turn of turns.slice(0, turns.indexOf(last) + 1)) {
    const role = turn.role === "user" ? "user" : "assistant";
    const clips = placed(turn);
    const texts = turn.text && (role === "assistant" || (turn.task === "ask" && !turn.live)) ? [turn.text] : [];
    if (!clips.length && !texts.length) continue;
    if (said.at(-1)?.role !== role) said.push({ role, clips: [], texts: [] });
    said.at(-1).clips.push(...clips);
    said.at(-1).texts.push(...texts);
  }
  if (!can.several_turns) said = [{ role: "user", clips: said.findLast(({ clips }) => clips.length).clips, texts: [last.text] }];
  let room = can.several_clips ? server.max_clips : 1;
  for (const message of said.toReversed()) {
    message.clips = room ? message.clips.slice(-room) : [];
    room -= message.clips.length;
  }
  return said.filter(({ clips, texts }) => clips.length || texts.length);
}

async function part({ clip: { url, blob } }) {
  if (url) return { type: "audio_url", audio_url: { url } };
  const reader = new FileReader();
  await new Promise((resolve) => { reader.onloadend = resolve; reader.readAsDataURL(blob); });
  return { type: "input_audio", input_audio: { data: reader.result.split(",")[1], format: "wav" } };
}

// It is kept about once a second while it comes.
function sending(turn, signal, take) {
  let then = Date.now();
  const onevent = (event) => {
    take(event);
    if (Date.now() - then < 1000) return;
    then = Date.now();
    store(turn);
  };
  return { signal, onevent, onupload: (sent) => progress(turn, { sent }) };
}

export async function chat(turn, asked, { can, server, signal }) {
  const said = history(asked, can, server);
  const clips = said.flatMap((message) => message.clips);
  turn.heard = clips.map(({ place }) => place);
  const most = server.max_json_mb * 0.74; // base64 takes a third more
  if (clips.reduce((sum, { clip }) => sum + clip.size, 0) > most * 2 ** 20) {
    throw new Error(`The recordings are over the ${Math.floor(most)} MB that the server takes with a question; transcripts can be longer.`);
  }
  const messages = await Promise.all(said.map(async ({ role, clips: own, texts }) => ({
    role, content: [...await Promise.all(own.map(part)), ...texts.map((text) => ({ type: "text", text }))],
  })));
  await post("v1/chat/completions", JSON.stringify({ model: turn.model, stream: true, messages }), sending(turn, signal, ({ choices: [choice], hark }) => {
    if (choice.delta.content) more(turn, choice.delta.content);
    if (hark?.heard) progress(turn, { at: hark.heard, of: clips.reduce((sum, { clip }) => sum + clip.seconds, 0) });
    if (choice.finish_reason) Object.assign(turn, { evidence: hark?.evidence, notices: hark?.notices });
  }));
}

export async function views(turn, asked, clips, signal) {
  const { path = asked.task, fields, files, wish } = TASKS[asked.task];
  Object.assign(turn, { views: [], heard: clips.map(({ place }) => place) });
  for (const { clip, place } of clips) {
    const form = new FormData();
    form.append(clip.url ? "url" : "file", clip.url ?? clip.blob, ...(clip.url ? [] : [clip.name]));
    const values = { model: turn.model, stream: true, ...fields, ...(wish && asked.text ? { [wish]: asked.text } : {}) };
    Object.entries(values).forEach(([name, value]) => form.append(name, value));
    ["json", ...files].forEach((kind) => form.append("response_format", kind));
    Object.assign(turn, { text: "", at: 0, of: clip.seconds, what: clips.length > 1 ? clip.name : "" });
    await post(`hark/${path}`, form, sending(turn, signal, ({ type, seconds, duration, segments, result, files: made }) => {
      if (type === "begun") progress(turn, { of: duration });
      if (type === "heard") progress(turn, { at: seconds ?? turn.at });
      if (type === "heard" && path === "transcript") segments.forEach(({ text }) => more(turn, `${text} `));
      if (type === "done") turn.views.push({ task: asked.task, name: clip.name, result, files: made, heard: place });
    }));
    turn.text = "";
  }
}
