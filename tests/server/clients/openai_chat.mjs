// Asks for chat completions as people do with openai for Node: node openai_chat.mjs BASE_URL RECORDING
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const [baseURL, recording] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const data = readFileSync(recording).toString("base64");
const content = [
  { type: "input_audio", input_audio: { data, format: "wav" } },
  { type: "text", text: "What does the person say?" },
];
const messages = [{ role: "user", content }];
const model = "echo";

const whole = await client.chat.completions.create({ model, messages });

let streamed = "";
let pieces = 0;
let usage = null;
const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  const piece = chunk.choices[0]?.delta?.content ?? "";
  streamed += piece;
  pieces += piece ? 1 : 0;
  usage = chunk.usage ?? usage;
}

const helper = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
const final = await helper.finalContent();
const helper_usage = await helper.totalUsage();

const schema = {
  type: "object",
  properties: { drink: { type: "string" }, count: { type: "integer" } },
  required: ["drink", "count"],
  additionalProperties: false,
};
const response_format = { type: "json_schema", json_schema: { name: "order", schema, strict: true } };
const fitting = await client.chat.completions.create({ model, messages, response_format });
const parsed = JSON.parse(fitting.choices[0].message.content);

const longer = [...messages, whole.choices[0].message, { role: "user", content: "And then?" }];
const back = (await client.chat.completions.create({ model, messages: longer })).choices[0].message.content;

let refused = null;
try {
  await client.chat.completions.create({ model, messages, n: 2 });
} catch (error) {
  refused = { status: error.status, param: error.param, type: error.type };
}

console.log(JSON.stringify({
  whole, streamed, pieces, usage, final, helper_usage, parsed, back, refused,
}));
