// A live dialogue over OpenAI's Realtime protocol: PCM at 24 kHz up, events down; a clip is cut for each turn.

import { currentKey, ServerError } from "./api.js";
import { listen, wav } from "./microphone.js";

const RATE = 24000;
const KEPT = 330 * RATE; // samples; the server cuts turns at 300 s

const base64 = (bytes) => btoa(Array.from({ length: Math.ceil(bytes.length / 8192) }, (_, n) =>
  String.fromCharCode(...bytes.subarray(n * 8192, (n + 1) * 8192))).join(""));

export class Live {
  // `on` has functions: ready, level, began, partial, ended, text, answer, delta, done, failed, closed.
  constructor(model, { writes, earlier, on }) {
    Object.assign(this, { model, writes, earlier, on });
    this.pieces = []; // of the last minutes, of which turns are cut
    this.first = this.heard = 0; // samples: where `pieces` begins, and what was heard in all
    this.starts = new Map();
  }

  async start() {
    const address = new URL(`v1/realtime?model=${encodeURIComponent(this.model)}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const key = currentKey();
    this.socket = new WebSocket(address, key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"]);
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onclose = ({ reason }) => reject(new ServerError(reason || "The server takes no live conversation."));
    });
    this.socket.onclose = ({ reason }) => this.end(reason || "The connection broke.");
    const input = { transcription: this.writes ? {} : null };
    this.send("session.update", { session: { type: "realtime", audio: { input } } });
    await this.tellEarlier();
    this.stop = await listen(RATE, true, (pcm, peak) => this.hear(pcm, peak));
    if (this.ended) this.stop();
    else this.on.ready();
  }

  send(type, fields = {}) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  // What was said before is part of the dialogue; recordings that a turn could not hold are left out.
  async tellEarlier() {
    for (const { role, clips, text } of this.earlier) {
      const content = [];
      for (const clip of clips) {
        const audio = await this.pcm(clip);
        if (audio) content.push({ type: "input_audio", audio });
      }
      if (text) content.push({ type: role === "user" ? "input_text" : "output_text", text });
      if (content.length) this.send("conversation.item.create", { item: { type: "message", role, content } });
    }
  }

  async pcm(clip) {
    if (!clip.blob || !clip.peaks || clip.seconds > 300) return null;
    const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await clip.blob.arrayBuffer());
    const every = Array.from({ length: sound.numberOfChannels }, (_, n) => sound.getChannelData(n));
    const made = new Int16Array(sound.length);
    for (let at = 0; at < made.length; at += 1) made[at] = 32767 * every.reduce((sum, one) => sum + one[at], 0) / every.length;
    return base64(new Uint8Array(made.buffer));
  }

  hear(pcm, peak) {
    this.on.level(peak);
    this.send("input_audio_buffer.append", { audio: base64(new Uint8Array(pcm.buffer)) });
    this.pieces.push(pcm);
    this.heard += pcm.length;
    while (this.heard - this.first > KEPT) this.first += this.pieces.shift().length;
  }

  cut(from, to) {
    const every = new Int16Array(this.pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.pieces) { every.set(piece, at); at += piece.length; }
    const place = (ms) => Math.max(0, Math.round(ms * RATE / 1000) - this.first);
    return wav([every.slice(place(from), place(to))], RATE);
  }

  take(event) {
    const { item_id: item } = event;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.starts.set(item, event.audio_start_ms);
        return this.on.began(item);
      case "input_audio_buffer.speech_stopped":
        return this.on.ended(item, this.cut(this.starts.get(item) ?? 0, event.audio_end_ms));
      case "conversation.item.input_audio_transcription.delta":
        return this.on.partial(item, event.delta);
      case "conversation.item.input_audio_transcription.completed":
        return this.on.text(item, event.transcript);
      case "conversation.item.input_audio_transcription.failed":
        return this.on.text(item, "");
      case "response.created":
        return this.on.answer(event.response.id);
      case "response.output_text.delta":
        return this.on.delta(event.response_id, event.delta);
      case "response.done":
        return this.on.done(event.response);
      case "error":
        return this.on.failed(event.error.message);
      default:
        return undefined;
    }
  }

  hush() { this.send("response.cancel"); }

  end(why = "") {
    if (this.ended) return;
    this.ended = true;
    this.stop?.();
    if (this.socket) this.socket.onclose = null;
    this.socket?.close(1000);
    this.on.closed(why);
  }
}
