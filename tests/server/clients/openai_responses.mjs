// Asks for responses as people do with openai for Node: node openai_responses.mjs BASE_URL RECORDING
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const [baseURL, recording] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const data = readFileSync(recording).toString("base64");
const content = [
  { type: "input_audio", input_audio: { data, format: "wav" } },
  { type: "input_text", text: "What does the person say?" },
];
const input = [{ role: "user", content }];
const model = "echo";

const whole = await client.responses.create({ model, input });

let streamed = "";
const kinds = [];
for await (const event of await client.responses.create({ model, input, stream: true })) {
  if (kinds.at(-1) !== event.type) kinds.push(event.type);
  if (event.type === "response.output_text.delta") streamed += event.delta;
}

const final = (await client.responses.stream({ model, input }).finalResponse()).output_text;
const longer = [...input, ...whole.output, { role: "user", content: "And?" }];
const back = (await client.responses.create({ model, input: longer })).output_text;

let refused = null;
try {
  await client.responses.create({ model, input, previous_response_id: "resp_1" });
} catch (error) {
  refused = error.param;
}

console.log(JSON.stringify({ text: whole.output_text, streamed, kinds, final, back, refused }));
