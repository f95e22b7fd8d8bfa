// A recording in the page: its waveform, and a player that keyboards and screen readers reach, too.

import { clock, h, icon, soft, svg } from "./dom.js";

const BARS = 96;
const DECODED = 64 * 2 ** 20; // larger files would fill the memory of a phone: they are shown without a waveform
let playing = null;

// The first channel.
export async function decoded(blob, rate) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer());
  return sound.getChannelData(0);
}

export async function clipOf(blob, name) {
  const found = { name, blob, size: blob.size, seconds: 0, peaks: null };
  if (blob.size > DECODED) return found;
  try {
    const samples = await decoded(blob, 16000);
    return { ...found, seconds: samples.length / 16000, peaks: peaks(samples) };
  } catch {
    return found; // the browser does not know the format; the server may
  }
}

function peaks(samples) {
  const found = new Array(BARS).fill(0.001);
  samples.forEach((value, at) => {
    const bar = Math.floor(at * BARS / samples.length);
    if (Math.abs(value) > found[bar]) found[bar] = Math.abs(value);
  });
  const loudest = Math.max(...found, 0.02);
  return found.map((value) => Math.round(100 * value / loudest));
}

// What plays a recording, and tells those who follow it where it is.
class Sound {
  followers = [];

  constructor({ blob, peaks, seconds }) {
    this.seconds = seconds;
    if (blob && peaks) this.blob = blob;
  }

  get audio() {
    if (!this.made) {
      this.made = new Audio(URL.createObjectURL(this.blob));
      for (const name of ["timeupdate", "play", "pause"]) this.made.addEventListener(name, () => this.tell());
    }
    return this.made;
  }

  tell() { this.followers.forEach((follower) => follower(this.audio.currentTime, !this.audio.paused)); }

  play(from = this.audio.currentTime) {
    if (playing !== this) silence();
    playing = this;
    this.seek(from);
    this.audio.play().catch(() => {});
    const watch = () => { this.tell(); if (!this.audio.paused) requestAnimationFrame(watch); };
    requestAnimationFrame(watch);
  }

  toggle() { if (this.audio.paused) this.play(); else this.audio.pause(); }

  seek(to) {
    this.audio.currentTime = Math.max(0, Math.min(this.seconds, to));
    this.tell();
  }
}

export const silence = () => playing?.audio.pause();

export function player(clip, onremove) {
  const { name, seconds, size, url } = clip;
  const sound = new Sound(clip);
  const play = h("button", { class: "play", "aria-label": `Play ${name}`, disabled: !sound.blob, onclick: () => sound.toggle() }, icon("play"));
  const time = h("span", {}, seconds ? clock(seconds) : "");
  sound.followers.push((at, plays) => {
    play.replaceChildren(icon(plays ? "pause" : "play"));
    play.setAttribute("aria-label", `${plays ? "Pause" : "Play"} ${name}`);
    time.textContent = `${clock(at)} / ${clock(seconds)}`;
  });
  const element = h("div", { class: "clip", role: "group", "aria-label": name }, play,
    h("div", { class: "about" }, h("div", { class: "name" }, h("span", {}, name), time),
      sound.blob ? waveform(clip, sound) : soft(url ? "fetched by the server" : `${(size / 2 ** 20).toFixed(1)} MB, not shown here`)),
    onremove && h("button", { class: "icon", "aria-label": `Remove ${name}`, onclick: onremove }, icon("close")));
  return { element, sound };
}

function waveform({ name, peaks: every, seconds }, sound) {
  const d = every.map((peak, n) => `M${n + 0.5} ${50 - Math.max(3, peak) * 0.46}v${Math.max(3, peak) * 0.92}`).join("");
  const drawn = (kind) => svg("svg", { viewBox: `0 0 ${BARS} 100`, preserveAspectRatio: "none", class: kind, "aria-hidden": "true" }, svg("path", { d, "vector-effect": "non-scaling-stroke" }));
  const done = drawn("done");
  const seek = ({ clientX }) => {
    const { left, width } = wave.getBoundingClientRect();
    sound.seek(seconds * (clientX - left) / width);
  };
  const wave = h("div", { class: "wave", role: "slider", tabindex: "0", "aria-label": `Position in ${name}`, "aria-valuemax": Math.round(seconds),
    onpointerdown: (event) => { wave.setPointerCapture(event.pointerId); seek(event); },
    onpointermove: (event) => { if (event.buttons) seek(event); },
    onkeydown: (event) => {
      const at = sound.audio.currentTime;
      const to = { ArrowLeft: at - 2, ArrowDown: at - 2, ArrowRight: at + 2, ArrowUp: at + 2, Home: 0, End: seconds }[event.key];
      if (to === undefined && event.key !== " ") return;
      event.preventDefault();
      if (to === undefined) sound.toggle();
      else sound.seek(to);
    } }, drawn("all"), done);
  const show = (at) => {
    done.style.clipPath = `inset(0 ${100 - 100 * at / (seconds || 1)}% 0 0)`;
    wave.setAttribute("aria-valuenow", Math.round(at));
    wave.setAttribute("aria-valuetext", `${clock(at)} of ${clock(seconds)}`);
  };
  show(0);
  sound.followers.push(show);
  return wave;
}

// Stretches with times, each of which is heard when it is pressed, and marked while it is heard.
export function lines(segments, sound) {
  return h("ol", { class: "lines" }, segments.map(({ start, end, speaker, text, unsure }) => {
    const timed = start !== undefined && start !== null;
    const inner = [timed && h("time", {}, clock(start)), h("span", {}, speaker && h("b", {}, `${speaker} `), text, unsure && h("i", {}, " unsure"))];
    if (!timed || !sound?.blob) return h("li", { class: "line" }, inner);
    const row = h("button", { class: "line", onclick: () => sound.play(start) }, inner);
    sound.followers.push((at, plays) => row.classList.toggle("now", plays && start <= at + 0.01 && at < end));
    return h("li", {}, row);
  }));
}
