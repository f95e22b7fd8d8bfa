// Speaks as people do with openai for browsers:
// node --experimental-websocket openai_realtime.mjs BASE_URL KEY FILE_OF_PCM
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";

const [baseURL, apiKey, file] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
const onURL = (url) => { url.protocol = "ws"; }; // the client itself knows wss alone
const realtime = new OpenAIRealtimeWebSocket({ model: "echo", onURL }, client);
const sound = readFileSync(file);
const events = [];
let text = "";
const errors = [];

realtime.on("event", (event) => events.push(event.type));
realtime.on("error", (error) => errors.push({ code: error.error?.code ?? null, message: error.message }));
realtime.on("response.output_text.delta", (event) => { text += event.delta; });
realtime.on("session.created", () => {
  realtime.send({ type: "session.update", session: { type: "realtime", instructions: "Be brief." } });
  realtime.send({ type: "response.cancel" });
});
realtime.on("session.updated", () => {
  for (let at = 0; at < sound.length; at += 1920) {
    const audio = sound.subarray(at, at + 1920).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  }
});
const done = await new Promise((resolve, reject) => {
  realtime.on("response.done", (event) => resolve(event.response));
  setTimeout(() => reject(new Error(`no answer: ${events} ${JSON.stringify(errors)}`)), 20000).unref();
});
realtime.close();
console.log(JSON.stringify({ text, status: done.status, whole: done.output[0].content[0].text, errors, events }));
