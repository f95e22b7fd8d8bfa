// A live dialogue as it is seen: turns of the conversation, and the panel with its state.

import { clipOf } from "./clip.js";
import { $, say } from "./dom.js";
import { Live } from "./live.js";
import { add, bottom, change, more, newId, remove } from "./thread.js";

const HINT = "Speak, and pause when you are done. Speak again to interrupt.";

export function talk({ model, writes, earlier, ended }) {
  const spoken = new Map(); // item -> the turn of the person
  const answers = new Map(); // response -> the turn of the model
  let answering = 0;

  function show(text, kind = "") {
    $("state").textContent = text;
    $("live").dataset.state = kind;
    $("hush").disabled = !answering;
  }
  const rest = () => (answering ? show("Answering", "answering") : show("Listening", "listening"));

  const on = {
    ready: rest,
    level: (peak) => $("live").style.setProperty("--level", peak.toFixed(3)),
    began: (item) => {
      spoken.set(item, add({ id: newId(), role: "user", task: "ask", live: true, partial: true, text: "", clips: [] }));
      show("Hearing you", "hearing");
    },
    ended: async (item, blob) => {
      show("Thinking", "thinking");
      const turn = spoken.get(item);
      if (!turn) return;
      turn.partial = writes;
      const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
      turn.clips = [await clipOf(blob, `Said at ${time}`)];
      change(turn);
    },
    partial: (item, text) => { const turn = spoken.get(item); if (turn) { turn.text += text; change(turn); bottom(); } },
    text: (item, text) => { const turn = spoken.get(item); if (turn) { Object.assign(turn, { text, partial: false }); change(turn); } },
    answer: (id) => {
      answering += 1;
      answers.set(id, add({ id: newId(), role: "model", model, state: "busy", live: true }));
      rest();
    },
    delta: (id, text) => { const turn = answers.get(id); if (turn) more(turn, text); },
    done: ({ id, status, status_details: why }) => {
      const turn = answers.get(id);
      answering = Math.max(0, answering - 1);
      if ($("live").dataset.state !== "hearing") rest();
      else $("hush").disabled = !answering;
      if (!turn) return;
      if (status === "cancelled") Object.assign(turn, { state: "stopped", why: why?.reason === "turn_detected" ? "Interrupted." : "Stopped." });
      else if (status === "failed") Object.assign(turn, { state: "failed", error: why?.error?.message ?? "The model failed." });
      else turn.state = "done";
      if (turn.state === "done") say(turn.text);
      change(turn);
      bottom();
    },
    failed: (text) => { $("hint").textContent = text; },
    closed: (why) => {
      for (const turn of answers.values()) if (turn.state === "busy") { turn.state = "stopped"; change(turn); }
      for (const turn of spoken.values()) {
        if (!turn.partial) continue;
        turn.partial = false;
        if (turn.text || turn.clips.length) change(turn);
        else remove(turn);
      }
      ended(why);
    },
  };

  $("hint").textContent = HINT;
  show("Connecting", "connecting");
  const live = new Live(model, { writes, earlier: earlier.map(({ role, clips, texts }) => ({ role, clips: clips.map(({ clip }) => clip), text: texts.join("\n\n") })), on });
  live.start().catch((error) => live.end(error.message));
  return live;
}
