// A live dialogue over OpenAI's Realtime protocol: PCM at 24 kHz up, events down; each makes or changes a turn.

import { currentKey } from "./api.js";
import { clipOf, decoded } from "./clip.js";
import { $, now, say } from "./dom.js";
import { listen, wav } from "./microphone.js";
import { add, bottom, change, more, newId } from "./thread.js";

const RATE = 24000;
const KEPT = 330 * RATE; // samples; the server cuts turns at 300 s

function base64(samples) {
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

// A recording of before, as the server takes it; null where a turn could not hold it.
async function pcm({ blob, peaks, seconds }) {
  if (!blob || !peaks || seconds > 300) return null;
  return base64(Int16Array.from(await decoded(blob, RATE), (value) => 32767 * Math.max(-1, Math.min(1, value))));
}

// `earlier` are messages that belong to the dialogue; `ended` is called once, with what went wrong.
export function talk({ model, writes, earlier, ended }) {
  const spoken = new Map(); // item -> the turn of the person
  const starts = new Map(); // item -> where it begins, in ms
  const answers = new Map(); // response -> the turn of the model
  let pieces = [], first = 0, heard = 0; // of the last minutes: samples, where they begin, what was heard in all
  let answering = 0, over = false, quiet, socket;

  const send = (type, fields) => { if (socket.readyState === 1) socket.send(JSON.stringify({ type, ...fields })); };

  function show(text) {
    $("state").textContent = text;
    $("live").dataset.state = text;
    $("hush").disabled = !answering;
  }
  const rest = () => show(answering ? "Answering" : "Listening");

  function take(piece, peak) {
    $("live").style.setProperty("--level", peak.toFixed(3));
    send("input_audio_buffer.append", { audio: base64(piece) });
    pieces.push(piece);
    heard += piece.length;
    while (heard - first > KEPT) first += pieces.shift().length;
  }

  async function clipped(item, end) {
    const turn = spoken.get(item);
    const place = (ms) => 2 * Math.max(0, Math.round(ms * RATE / 1000) - first); // in bytes
    const sound = new Blob(pieces).slice(place(starts.get(item)), place(end));
    const clip = await clipOf(wav([sound], RATE), `Said at ${now()}`);
    update(turn, { clips: [clip], partial: writes && turn.partial });
  }

  function update(turn, known) {
    change(Object.assign(turn, known));
    bottom();
  }

  const said = "conversation.item.input_audio_transcription";
  const events = {
    "input_audio_buffer.speech_started": ({ item_id: item, audio_start_ms: at }) => {
      starts.set(item, at);
      spoken.set(item, add({ id: newId(), role: "user", task: "ask", live: true, partial: true, text: "", clips: [] }));
      show("Hearing you");
    },
    "input_audio_buffer.speech_stopped": ({ item_id: item, audio_end_ms: at }) => {
      show("Thinking");
      clipped(item, at);
    },
    [`${said}.delta`]: ({ item_id: item, delta }) => { const turn = spoken.get(item); update(turn, { text: turn.text + delta }); },
    [`${said}.completed`]: ({ item_id: item, transcript: text }) => update(spoken.get(item), { text, partial: false }),
    [`${said}.failed`]: ({ item_id: item }) => update(spoken.get(item), { partial: false }),
    "response.created": ({ response: { id } }) => {
      answering += 1;
      answers.set(id, add({ id: newId(), role: "model", model, state: "busy" }));
      rest();
    },
    "response.output_text.delta": ({ response_id: id, delta }) => more(answers.get(id), delta),
    "response.done": ({ response: { id, status, status_details: why } }) => {
      const turn = answers.get(id);
      answering -= 1;
      if ($("state").textContent === "Hearing you") show("Hearing you");
      else rest();
      const state = { cancelled: "stopped", failed: "failed" }[status] ?? "done";
      update(turn, { state, why: why?.reason === "turn_detected" ? "Interrupted." : "Stopped.", error: why?.error?.message ?? "The model failed." });
      if (state === "done") say(turn.text);
    },
    error: ({ error }) => { $("hint").textContent = error.message; },
  };

  async function start() {
    const address = new URL(`v1/realtime?model=${encodeURIComponent(model)}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const key = currentKey();
    socket = new WebSocket(address, ["realtime", ...(key ? [`openai-insecure-api-key.${key}`] : [])]);
    socket.onmessage = ({ data }) => { const event = JSON.parse(data); events[event.type]?.(event); };
    socket.onclose = ({ reason }) => end(reason || "The server ended the conversation.");
    await new Promise((resolve) => { socket.onopen = resolve; });
    send("session.update", { session: { type: "realtime", audio: { input: { transcription: writes ? {} : null } } } });
    for (const { role, clips, texts } of earlier) {
      const sounds = (await Promise.all(clips.map(({ clip }) => pcm(clip)))).filter(Boolean);
      const content = [...sounds.map((audio) => ({ type: "input_audio", audio })),
        ...texts.map((text) => ({ type: role === "user" ? "input_text" : "output_text", text }))];
      if (content.length) send("conversation.item.create", { item: { type: "message", role, content } });
    }
    quiet = await listen(RATE, true, take);
    if (over) quiet();
    else rest();
  }

  function end(why = "") {
    if (over) return;
    over = true;
    quiet?.();
    if (socket) socket.onclose = socket.onmessage = null;
    socket?.close();
    for (const turn of answers.values()) if (turn.state === "busy") change(Object.assign(turn, { state: "stopped" }));
    for (const [item, turn] of spoken) {
      turn.partial = false;
      if (turn.clips.length) change(turn);
      else clipped(item, 1000 * heard / RATE); // what was said until here is not lost
    }
    ended(why);
  }

  $("hint").textContent = "Speak, and pause when you are done. Speak again to interrupt.";
  show("Connecting");
  start().catch((error) => end(error.message));
  return { abort: () => end(), hush: () => send("response.cancel") };
}
