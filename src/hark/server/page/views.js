// What hark's tasks give, as something to read, to play and to keep.

import { lines } from "./clip.js";
import { clock, h, icon, save } from "./dom.js";

// What can be asked for: its label, what it is, the door, fields of its form, the files that come with it.
export const TASKS = {
  ask: { label: "Ask", about: "" },
  transcript: { label: "Transcript", about: "What was said, with its times; as subtitles, too.", files: ["srt", "vtt", "txt"] },
  translation: { label: "English", about: "What was said, in English.", path: "transcript", fields: { to: "en" }, files: ["srt", "vtt", "txt"] },
  notes: { label: "Notes", about: "Who does what by when, decisions and open questions, each with its quote.", files: ["html", "md"] },
  understanding: { label: "Meaning", about: "What the speaker wants, how they feel, how sure they are.", files: ["md"] },
  music: { label: "Music", about: "Key, tempo, meter, sections and chords.", files: ["html", "md"], wish: "suggest" },
  sounds: { label: "Sounds", about: "What is heard when.", files: ["srt", "txt"] },
};

const TYPES = { json: "application/json", html: "text/html", md: "text/markdown", srt: "application/x-subrip", vtt: "text/vtt", txt: "text/plain" };
const TITLES = { ...Object.fromEntries(Object.entries(TASKS).map(([name, { label }]) => [name, label])), translation: "Translation" };

export function view({ task, name, result, files }, sound) {
  const heading = h("header", {}, h("h3", {}, TITLES[task]), h("span", { class: "of" }, name), downloads(task, name, result, files));
  return h("section", { class: `view ${task}`, "aria-label": `${TITLES[task]} of ${name}` }, heading, BODIES[task](result, sound), notices(result.notices));
}

function downloads(task, name, result, files) {
  const base = `${name.replace(/\.[^.]*$/, "") || "recording"}.${task}`;
  const every = { ...files, json: JSON.stringify(result, null, 1) };
  return h("span", { class: "saves", role: "group", "aria-label": "Download" }, icon("save"), Object.entries(every).map(([form, text]) =>
    h("button", { type: "button", class: "save", "aria-label": `Download as ${form.toUpperCase()}`,
      onclick: () => save(`${base}.${form}`, text, TYPES[form]) }, form.toUpperCase())));
}

export function notices(every) {
  const texts = [...new Set((every ?? []).map(({ text }) => text))];
  return texts.length ? h("ul", { class: "notices" }, texts.map((text) => h("li", {}, text))) : null;
}

const nothing = (text) => h("p", { class: "soft" }, text);
const part = (title, ...children) => h("section", {}, h("h4", {}, title), children);
const listed = (title, items, make) => (items?.length ? part(title, h("ul", { class: "cards" }, items.map((item) => h("li", {}, make(item))))) : null);

function transcript({ segments, text }, sound) {
  if (segments?.length) return lines(segments, sound).element;
  return text ? h("p", { class: "text" }, text) : nothing("Nobody speaks.");
}

function quoted(quote, sound) {
  if (!quote) return null;
  const text = `\u201c${quote.text}\u201d${quote.found ? "" : " (not in the transcript)"}`;
  return lines([{ ...quote, text }], sound).element;
}

function notes(found, sound) {
  const point = ({ text, quote }) => (quote && quote.text === text ? quoted(quote, sound) : [h("p", {}, text), quoted(quote, sound)]);
  const action = ({ task, owner, due, due_said: said, quote }) => [
    h("p", {}, owner && h("b", {}, `${owner}: `), task, (due || said) && h("span", { class: "due" }, due ? `due ${day(due)}` : said)),
    quote?.text === task ? lines([{ ...quote, text: "play" }], sound).element : quoted(quote, sound),
  ];
  const people = found.participants.length ? ` \u00b7 ${found.participants.join(", ")}` : "";
  const parts = [
    listed("To do", found.actions, action), listed("Decided", found.decisions, point),
    listed("Open", found.open_questions, point), listed("Summary", found.summary, point),
    found.chapters.length ? part("Chapters", lines(found.chapters.map(({ title, start, end }) => ({ text: title, start, end })), sound).element) : null,
    found.transcript?.segments?.length ? h("details", {}, h("summary", {}, "Transcript"), lines(found.transcript.segments, sound).element) : null,
  ];
  return h("div", {}, h("p", { class: "soft" }, `${day(found.date)} \u00b7 ${clock(found.duration)}${people}`),
    parts.some(Boolean) ? parts : nothing("There is nothing to note."));
}

const day = (text) => new Date(`${text}T12:00`).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric" });

function understanding(found, sound) {
  const tile = (name) => {
    const { value, quotes, signs, heard_in: heard } = found[name];
    const why = [heard, signs.length && signs.join(", ")].filter(Boolean).join("; ");
    return h("div", {}, h("dt", {}, name), h("dd", {}, value), why && h("p", { class: "soft" }, why), quotes.slice(0, 2).map((quote) => quoted(quote, sound)));
  };
  return h("div", {}, found.meaning && h("p", { class: "lead" }, found.meaning), h("dl", { class: "tiles" }, ["intent", "sentiment", "emotion", "certainty"].map(tile)));
}

// Stretches side by side, as wide as they are long; those of one name have one shade.
function band(parts, duration, sound) {
  const names = [...new Set(parts.map(({ label }) => label))];
  return h("div", { class: "band" }, parts.map(({ label, start, end }) => {
    const made = h("button", { type: "button", class: `shade${names.indexOf(label) % 6}`, title: `${label}, ${clock(start)} to ${clock(end)}`,
      "aria-label": `${label}, ${clock(start)} to ${clock(end)}`, onclick: () => sound?.play(start) }, label);
    made.style.left = `${100 * start / duration}%`;
    made.style.width = `${Math.max(0.4, 100 * (end - start) / duration)}%`;
    return made;
  }));
}

function music(found, sound) {
  const { lufs, dbfs } = found.loudness;
  const loud = lufs ?? dbfs;
  const facts = [
    ["Key", found.key && `${found.key} ${found.mode ?? ""}`, found.other_key && `or ${found.other_key}`],
    ["Tempo", found.tempo && `${Math.round(found.tempo * 10) / 10}`, "beats per minute"], ["Meter", found.meter, ""],
    ["Loudness", loud !== null && loud !== undefined && loud.toFixed(1).replace("-", "\u2212"), lufs === null ? "dBFS" : "LUFS"],
    ["Length", clock(found.duration), ""],
  ].filter(([, value]) => value);
  const rows = found.sections.map((each) => h("tr", {}, h("td", {}, each.label), h("td", {}, `${clock(each.start)} to ${clock(each.end)}`),
    h("td", { class: "chords" }, (each.chords ?? []).map((chord) => h("span", {}, chord ?? "\u2013")))));
  return h("div", {},
    h("dl", { class: "tiles" }, facts.map(([name, value, more]) => h("div", {}, h("dt", {}, name), h("dd", {}, value), more && h("p", { class: "soft" }, more)))),
    found.instruments.length ? h("p", {}, `Heard: ${found.instruments.join(", ")}`) : null,
    found.sections.length ? part("Sections", band(found.sections, found.duration, sound),
      h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, ["Section", "Time", "Chords, one a bar"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)))) : null,
    listed("Suggestions", found.suggestions, ({ technique, bars, why }) => [h("p", {}, h("b", {}, technique)), h("p", { class: "chords" }, bars.map((bar) => h("span", {}, bar))), h("p", { class: "soft" }, why)]),
    found.reasons.map(nothing));
}

function sounds({ sounds: every, duration }, sound) {
  if (!every.length) return nothing("Nothing is heard.");
  return h("div", {}, band(every.map(({ text, start, end }) => ({ label: text, start, end })), duration, sound), lines(every, sound).element);
}

const BODIES = { transcript, translation: transcript, notes, understanding, music, sounds };
