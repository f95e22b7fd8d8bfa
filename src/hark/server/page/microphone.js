// The microphone as pieces of PCM, and PCM as WAV.

export const hasMicrophone = Boolean(navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode);

// `speech`: echo and noise are taken away, for a dialogue; a recording is left as it is.
export async function listen(rate, speech, take) {
  const audio = { channelCount: 1, echoCancellation: speech, noiseSuppression: speech, autoGainControl: speech };
  const stream = await navigator.mediaDevices.getUserMedia({ audio }).catch(({ name, message }) => {
    throw new Error(name === "NotAllowedError" ? "Allow this page to use the microphone: beside the address." : `The microphone cannot be used: ${message}`);
  });
  let context = new AudioContext({ sampleRate: rate }), source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch { // Firefox connects no microphone of another rate
    context.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule(new URL("pcm.js", import.meta.url));
  const node = new AudioWorkletNode(context, "pcm", { processorOptions: { rate } });
  node.port.onmessage = ({ data }) => take(data.pcm, data.peak);
  source.connect(node).connect(context.destination); // it is silent, but what leads nowhere is not run
  await context.resume();
  return () => {
    node.port.onmessage = null;
    stream.getTracks().forEach((track) => track.stop());
    return context.close();
  };
}

// Pieces are arrays, or blobs, of 16-bit samples.
export function wav(pieces, rate) {
  const body = new Blob(pieces);
  const head = new DataView(new ArrayBuffer(44));
  [..."RIFF    WAVEfmt "].forEach((sign, at) => head.setUint8(at, sign.charCodeAt(0)));
  [..."data"].forEach((sign, at) => head.setUint8(36 + at, sign.charCodeAt(0)));
  [[4, 36 + body.size], [16, 16], [20, 0x10001], [24, rate], [28, rate * 2], [32, 0x100002], [40, body.size]].forEach(([at, value]) => head.setUint32(at, value, true));
  return new Blob([head, body], { type: "audio/wav" });
}
