// What the tests ask of hark through openai: node openai_transcriptions.mjs URL CLIP
import { createReadStream, readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";

const [url, clip] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const { transcriptions, translations } = client.audio;
const file = () => createReadStream(clip); // sent in chunks, without a length

const forms = {};
for (const response_format of ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]) {
  forms[response_format] = await transcriptions.create({ file: file(), model: "offline", response_format });
}
const unnamed = await transcriptions.create({ file: await toFile(readFileSync(clip)), model: "offline" });
const words = await transcriptions.create({
  file: file(), model: "offline", response_format: "verbose_json", timestamp_granularities: ["word"],
  language: "en", temperature: 0, chunking_strategy: { type: "server_vad" },
});

const events = [];
for await (const event of await transcriptions.create({ file: file(), model: "echo", stream: true })) events.push(event);

const translated = await translations.create({ file: file(), model: "echo", response_format: "verbose_json" });

async function failing(work) {
  try {
    await work();
    return "it did not fail";
  } catch (error) {
    return { status: error.status, param: error.param, code: error.code, type: error.type, message: error.message };
  }
}
const failures = {
  model: await failing(() => transcriptions.create({ file: file(), model: "nope" })),
  include: await failing(() => transcriptions.create({ file: file(), model: "echo", include: ["logprobs"] })),
  threshold: await failing(() => transcriptions.create({
    file: file(), model: "echo", chunking_strategy: { type: "server_vad", threshold: 0.5 },
  })),
  languages: await failing(() => transcriptions.create({ file: file(), model: "echo", languages: ["en", "de"] })),
  translation: await failing(() => translations.create({ file: file(), model: "offline" })),
};
console.log(JSON.stringify({ forms, unnamed, words, events, translated, failures }));
