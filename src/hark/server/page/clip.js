// A recording in the page: its waveform, and a player that keyboards and screen readers reach, too.

import { clock, h, icon, svg } from "./dom.js";

const BARS = 96;
const DECODED = 64 * 2 ** 20; // larger files would fill the memory of a phone: they are shown without a waveform
let playing = null;

export async function clipOf(blob, name) {
  const found = { name, blob, size: blob.size, seconds: 0, peaks: null };
  if (blob.size > DECODED) return found;
  try {
    const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(await blob.arrayBuffer());
    found.seconds = sound.duration;
    found.peaks = peaks(sound.getChannelData(0));
  } catch { /* the browser does not know the format; the server may */ }
  return found;
}

function peaks(samples) {
  const size = samples.length / BARS;
  const found = Array.from({ length: BARS }, (_, bar) => {
    let most = 0;
    for (let at = Math.floor(bar * size); at < (bar + 1) * size; at += 1) most = Math.max(most, Math.abs(samples[at]));
    return most;
  });
  const loudest = Math.max(...found, 0.02);
  return found.map((value) => Math.round(100 * value / loudest));
}

// What plays a recording, and tells those who follow it where it is.
class Sound {
  constructor(clip) {
    this.clip = clip;
    this.followers = [];
    this.until = Infinity;
  }

  get audio() {
    if (this.made || !this.clip.blob) return this.made;
    const audio = this.made = new Audio(URL.createObjectURL(this.clip.blob));
    const tell = () => {
      if (audio.currentTime >= this.until) audio.pause();
      this.tell();
    };
    for (const name of ["timeupdate", "play", "pause", "ended", "loadedmetadata"]) audio.addEventListener(name, tell);
    return audio;
  }

  get seconds() {
    const own = this.made?.duration;
    return Number.isFinite(own) && own > 0 ? own : this.clip.seconds;
  }

  follow(follower) { this.followers.push(follower); }

  tell() { this.followers.forEach((follower) => follower(this.audio.currentTime, !this.audio.paused)); }

  play(from, until = Infinity) {
    if (!this.audio) return;
    if (playing && playing !== this) playing.pause();
    playing = this;
    this.until = until;
    if (from !== undefined) this.audio.currentTime = from;
    this.audio.play().catch(() => {});
    const watch = () => { if (!this.audio.paused) { this.tell(); requestAnimationFrame(watch); } };
    requestAnimationFrame(watch);
  }

  pause() { this.made?.pause(); }

  seek(to) {
    if (!this.audio) return;
    this.until = Infinity;
    this.audio.currentTime = Math.max(0, Math.min(this.seconds, to));
    this.tell();
  }
}

export const silence = () => playing?.pause();

export function player(clip, onremove) {
  const sound = new Sound(clip);
  const playable = clip.blob && clip.peaks;
  const button = h("button", { type: "button", class: "play", "aria-label": `Play ${clip.name}`, disabled: !playable,
    onclick: () => (sound.made && !sound.made.paused ? sound.pause() : sound.play()) }, icon("play"));
  const [wave, shown] = waveform(clip, sound);
  const time = h("span", { class: "time" }, clip.seconds ? clock(clip.seconds) : "");
  sound.follow((at, plays) => {
    button.replaceChildren(icon(plays ? "pause" : "play"));
    button.setAttribute("aria-label", `${plays ? "Pause" : "Play"} ${clip.name}`);
    time.textContent = at > 0 ? `${clock(at)} / ${clock(sound.seconds)}` : clock(sound.seconds);
    shown(at);
  });
  const element = h("div", { class: "clip", role: "group", "aria-label": clip.name }, button,
    h("div", { class: "about" }, h("div", { class: "name" }, h("span", {}, clip.name), time), playable ? wave : note(clip)),
    onremove && h("button", { type: "button", class: "icon small", "aria-label": `Remove ${clip.name}`, onclick: onremove }, icon("close")));
  return { element, sound };
}

function note(clip) {
  if (clip.url) return h("p", { class: "soft" }, "fetched by the server");
  return h("p", { class: "soft" }, `${(clip.size / 2 ** 20).toFixed(1)} MB, not shown as a waveform`);
}

function waveform(clip, sound) {
  const bars = (clip.peaks ?? []).map((peak, n) => `M${n + 0.5} ${50 - Math.max(3, peak) * 0.46}V${50 + Math.max(3, peak) * 0.46}`);
  const drawn = (kind) => svg("svg", { viewBox: `0 0 ${BARS} 100`, preserveAspectRatio: "none", class: kind, "aria-hidden": "true" },
    svg("path", { d: bars.join(""), "vector-effect": "non-scaling-stroke" }));
  const done = drawn("done");
  const wave = h("div", { class: "wave", role: "slider", tabindex: "0", "aria-label": `Position in ${clip.name}`,
    "aria-valuemin": "0", "aria-valuemax": String(Math.round(clip.seconds)) }, drawn("all"), done);
  const shown = (at) => {
    done.style.clipPath = `inset(0 ${100 - 100 * at / (sound.seconds || 1)}% 0 0)`;
    wave.setAttribute("aria-valuenow", String(Math.round(at)));
    wave.setAttribute("aria-valuetext", `${clock(at)} of ${clock(sound.seconds)}`);
  };
  shown(0);
  const seek = (event) => {
    const box = wave.getBoundingClientRect();
    sound.seek(sound.seconds * (event.clientX - box.left) / box.width);
  };
  wave.addEventListener("pointerdown", (event) => { wave.setPointerCapture(event.pointerId); seek(event); });
  wave.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
  wave.addEventListener("keydown", (event) => {
    const at = sound.audio.currentTime;
    const to = { ArrowLeft: at - 2, ArrowDown: at - 2, ArrowRight: at + 2, ArrowUp: at + 2, PageDown: at - 15,
      PageUp: at + 15, Home: 0, End: sound.seconds }[event.key];
    if (event.key === " ") { if (sound.audio.paused) sound.play(); else sound.pause(); }
    if (to !== undefined) sound.seek(to);
    if (to !== undefined || event.key === " ") event.preventDefault();
  });
  return [wave, shown];
}

// Stretches with times, each of which is heard when it is pressed, and marked while it is heard.
export function lines(segments, sound) {
  const able = Boolean(sound?.clip.blob && sound.clip.peaks);
  const list = h("ol", { class: "lines" });
  const rows = [];
  for (const segment of segments) rows.push(add(segment));
  sound?.follow((at, plays) => rows.forEach(([row, { start, end }]) => {
    row.classList.toggle("now", plays && start <= at + 0.01 && at < end);
  }));

  function add(segment) {
    const timed = segment.start !== undefined && segment.start !== null;
    const inner = [timed && h("time", {}, clock(segment.start)),
      h("span", {}, segment.speaker && h("b", {}, `${segment.speaker} `), segment.text, segment.unsure && h("i", {}, " unsure"))];
    const row = able && timed
      ? h("button", { type: "button", class: "line", onclick: () => sound.play(segment.start) }, inner)
      : h("span", { class: "line" }, inner);
    list.append(h("li", {}, row));
    return [row, segment];
  }

  return { element: list, add: (segment) => rows.push(add(segment)) };
}
