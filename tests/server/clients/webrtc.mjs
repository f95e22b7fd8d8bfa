// A call from a page in an installed Chromium with a file for its microphone. Argument: JSON with the addresses;
// output: JSON of all events, each with `at`: seconds since the microphone opened.

import { chromium } from "playwright-core";

const given = JSON.parse(process.argv[2]);
const flags = [...given.flags, "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${given.microphone}%noloop`];
const browser = await chromium.launch({ executablePath: given.chromium, args: flags });
try {
  const page = await (await browser.newContext({ permissions: ["microphone"] })).newPage();
  await page.goto(given.page);
  console.log(JSON.stringify(await page.evaluate(call, given)));
} finally {
  await browser.close();
}

// As OpenAI's documentation shows it, but for the address.
async function call({ server, session, done }) {
  const events = [];
  const peer = new RTCPeerConnection();
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const opened = performance.now();
  peer.addTrack(stream.getTracks()[0]);
  const channel = peer.createDataChannel("oai-events");
  const finished = new Promise((resolve, reject) => {
    let left = done;
    setTimeout(() => reject(new Error(`only ${events.map((one) => one.type)}`)), 30000);
    channel.addEventListener("message", (message) => {
      const event = JSON.parse(message.data);
      events.push({ ...event, at: (performance.now() - opened) / 1000 });
      if (event.type === "response.done" && !--left) resolve();
    });
  });
  await peer.setLocalDescription(await peer.createOffer());
  const form = new FormData();
  form.set("sdp", peer.localDescription.sdp);
  form.set("session", JSON.stringify(session));
  const answer = await fetch(`${server}/v1/realtime/calls`, { method: "POST", body: form });
  if (!answer.ok) throw new Error(await answer.text());
  const location = answer.headers.get("location");
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await finished;
  const closed = new Promise((resolve) => channel.addEventListener("close", resolve));
  const hangup = await fetch(server + location, { method: "DELETE" });
  await closed;
  return { events, location, hangup: hangup.status, connected: peer.connectionState };
}
