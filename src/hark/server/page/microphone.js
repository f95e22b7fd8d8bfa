// The microphone as pieces of PCM, and PCM as WAV.

export const hasMicrophone = Boolean(navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode);

const WHY = {
  NotAllowedError: "The browser does not let this page use the microphone: allow it beside the address.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "Another program uses the microphone.",
};

// `speech`: echo and noise are taken away, for a dialogue; a recording is left as it is.
export async function listen(rate, speech, take) {
  let stream;
  try {
    const audio = { channelCount: 1, echoCancellation: speech, noiseSuppression: speech, autoGainControl: speech };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(WHY[error.name] ?? `The microphone cannot be used (${error.name}).`);
  }
  let context;
  try {
    context = new AudioContext({ sampleRate: rate });
    context.createMediaStreamSource(stream);
  } catch { // Firefox connects no microphone of another rate
    context = new AudioContext();
  }
  const source = context.createMediaStreamSource(stream);
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

export function wav(pieces, rate) {
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, value) => [...value].forEach((sign, n) => head.setUint8(at + n, sign.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head, ...pieces], { type: "audio/wav" });
}
