// What the tests ask of hark through @huggingface/inference: node hf_client.mjs URL CLIP
import { readFileSync } from "node:fs";
import { InferenceClient } from "@huggingface/inference";

const [url, clip] = process.argv.slice(2);
const question = "What does the person want?";
const client = new InferenceClient();
console.warn = () => {}; // `request` says that it is deprecated
const bytes = readFileSync(clip);
const array = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const base64 = bytes.toString("base64");

const listen = (args, endpointUrl = url) => client.automaticSpeechRecognition({ endpointUrl, ...args });
const heard = {
  typed: await listen({ data: new Blob([bytes], { type: "audio/flac" }) }),
  untyped: await listen({ data: new Blob([bytes]) }),
  array: await listen({ data: array }),
  inputs: await listen({ inputs: new Blob([bytes], { type: "audio/flac" }) }),
  base64: await listen({ inputs: base64 }),
  model: await listen({ data: array, model: "any/model" }, `${url}/v1`),
  path: await listen({ data: array }, `${url}/models/echo`),
  routed: await listen({ data: array }, `${url}/hf-inference/models/echo`),
};

const words = await listen({ data: array }, `${url}/models/org/offline?return_timestamps=word`);
const plain = await client.request({ endpointUrl: url, audio: base64, text: question });
const asked = { endpointUrl: url, model: "any/model", inputs: { audio: base64, text: question } };
const wrapped = await client.request({ ...asked, parameters: { temperature: 0.5 } });

const content = [
  { type: "input_audio", input_audio: { data: base64, format: "wav" } },
  { type: "text", text: question },
];
const chatted = await client.chatCompletion({
  endpointUrl: `${url}/models/echo`,
  messages: [{ role: "user", content }],
});
const chat = chatted.choices[0].message.content;

const tokens = [];
let streamed = null;
for await (const step of client.streamingRequest(asked)) {
  if (!step.token.special) tokens.push(step.token.text);
  streamed = step.generated_text ?? streamed;
}

async function failing(work) {
  try {
    await work();
    return "it did not fail";
  } catch (error) {
    return error.message;
  }
}
const errors = {
  option: await failing(() => listen({ data: array }, `${url}?nothing=1`)),
  address: await failing(() => listen({ inputs: "https://example.org/clip.flac" })),
  model: await failing(() => listen({ data: array }, `${url}/models/none`)),
  stream: await failing(async () => {
    for await (const _ of client.streamingRequest({ ...asked, parameters: { min_length: 3 } }));
  }),
};
console.log(JSON.stringify({ heard, words, chat, plain, wrapped, tokens, streamed, errors }));
