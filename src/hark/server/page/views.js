// What hark's tasks give, as something to read, to play and to keep.

import { lines } from "./clip.js";
import { button, clock, h, icon, save, soft } from "./dom.js";

const TEXTS = ["srt", "vtt", "txt"];

// What can be asked for: its label, what it is, the door if it has another name, fields of its form, files.
export const TASKS = {
  ask: { label: "Ask" },
  transcript: { label: "Transcript", about: "What was said, with its times; as subtitles, too.", files: TEXTS },
  translation: { label: "Translation", about: "What was said, in English.", path: "transcript", fields: { to: "en" }, files: TEXTS },
  notes: { label: "Notes", about: "Who does what by when, decisions and open questions, each with its quote.", files: ["html", "md"] },
  understanding: { label: "Meaning", about: "What the speaker wants, how they feel, how sure they are.", files: ["md"] },
  music: { label: "Music", wish: "suggest", files: ["html", "md"] },
};

export function view({ task, name, result, files }, sound) {
  const { label } = TASKS[task];
  const every = Object.entries({ ...files, json: JSON.stringify(result, null, 1) });
  const saves = every.map(([form, text]) => button(form.toUpperCase(), () => save(`${name.replace(/\.\w+$/, "")}.${task}.${form}`, text), { "aria-label": `Download as ${form.toUpperCase()}` }));
  return h("section", { class: `view ${task}` },
    h("div", { class: "row" }, h("h3", {}, label), h("span", { class: "of" }, name), icon("save"), saves),
    BODIES[task](result, sound), notices(result.notices));
}

export function notices(every = []) {
  const texts = new Set(every.map(({ text }) => text));
  return texts.size > 0 && h("ul", { class: "notices" }, [...texts].map((text) => h("li", {}, text)));
}

const part = (title, items, ...children) => items.length > 0 && [h("h4", {}, title), children];
const listed = (title, items, make) => part(title, items, h("ul", { class: "cards" }, items.map((item) => h("li", {}, make(item)))));
const tiles = (every) => h("dl", { class: "tiles" }, every.map(([name, value, ...more]) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value), more)));
const day = (text) => new Date(`${text}T12:00`).toLocaleDateString([], { dateStyle: "medium" });

const transcript = ({ segments }, sound) => (segments.length ? lines(segments, sound) : soft("Nobody speaks."));
const quoted = (quote, sound) => quote && lines([{ ...quote, text: `\u201c${quote.text}\u201d${quote.found ? "" : " (not in the transcript)"}` }], sound);

function notes(found, sound) {
  const point = ({ text, quote }) => [quote?.text !== text && h("p", {}, text), quoted(quote, sound)];
  const action = ({ task, owner, due, due_said: said, quote }) => [
    h("p", {}, owner && h("b", {}, `${owner}: `), task, (due || said) && h("span", { class: "due" }, due ? `due ${day(due)}` : said)), quoted(quote, sound)];
  return [
    soft([day(found.date), clock(found.duration), ...found.participants].join(" \u00b7 ")),
    listed("To do", found.actions, action), listed("Decided", found.decisions, point),
    listed("Open", found.open_questions, point), listed("Summary", found.summary, point),
    part("Chapters", found.chapters, lines(found.chapters.map((each) => ({ ...each, text: each.title })), sound)),
    found.transcript && h("details", {}, h("summary", {}, "Transcript"), transcript(found.transcript, sound)),
  ];
}

function understanding(found, sound) {
  return [h("p", { class: "lead" }, found.meaning), tiles(["intent", "sentiment", "emotion", "certainty"].map((name) => {
    const { value, quotes, signs, heard_in: heard } = found[name];
    return [name, value, soft([heard, ...signs].filter(Boolean).join(", ")), quotes.slice(0, 2).map((quote) => quoted(quote, sound))];
  }))];
}

// Stretches side by side, as wide as they are long; those of one name have one shade.
function band(parts, duration, sound) {
  const names = [...new Set(parts.map(({ label }) => label))];
  return h("div", { class: "band" }, parts.map(({ label, start, end }) => {
    const said = `${label}, ${clock(start)} to ${clock(end)}`;
    const made = h("button", { class: `shade${names.indexOf(label) % 3}`, title: said, "aria-label": said, onclick: () => sound?.blob && sound.play(start) }, label);
    made.style.left = `${100 * start / duration}%`;
    made.style.width = `${100 * (end - start) / duration}%`;
    return made;
  }));
}

const chords = (bars) => h("span", { class: "chords" }, bars.map((bar) => h("span", {}, bar ?? "\u2013")));

function music(found, sound) {
  const { lufs, dbfs } = found.loudness;
  return [
    tiles([
      ["Key", found.key && `${found.key} ${found.mode ?? ""}`, found.other_key && soft(`or ${found.other_key}`)],
      ["Tempo", found.tempo && String(Math.round(found.tempo * 10) / 10), soft("BPM")], ["Meter", found.meter],
      ["Loudness", (lufs ?? dbfs)?.toFixed(1).replace("-", "\u2212"), soft(lufs === null ? "dBFS" : "LUFS")], ["Length", clock(found.duration)],
    ]),
    found.instruments.length > 0 && soft(`Heard: ${found.instruments.join(", ")}`),
    part("Sections", found.sections, band(found.sections, found.duration, sound),
      h("table", {}, found.sections.map(({ label, start, end, chords: bars = [] }) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, `${clock(Math.round(start))} to ${clock(Math.round(end))}`), h("td", {}, chords(bars)))))),
    listed("Suggestions", found.suggestions, ({ technique, bars, why }) => [h("p", {}, h("b", {}, technique)), chords(bars), soft(why)]),
    found.reasons.map((reason) => soft(reason)),
  ];
}

const BODIES = { transcript, translation: transcript, notes, understanding, music };
