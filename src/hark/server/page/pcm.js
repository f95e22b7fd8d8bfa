// In the audio thread: sound at the rate wanted, as 16-bit PCM in pieces of 40 ms, each with its peak.

class Pcm extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    this.step = sampleRate / rate;
    this.piece = new Int16Array(rate / 25);
    this.filled = this.sum = this.count = this.peak = 0;
  }

  // A sample that is given is the mean of those that it spans.
  process([[channel]]) {
    for (const value of channel ?? []) {
      for (let left = 1; left > 1e-9;) {
        const taken = Math.min(left, this.step - this.filled);
        this.sum += value * taken;
        this.filled += taken;
        left -= taken;
        if (this.filled >= this.step - 1e-9) this.give(Math.max(-1, Math.min(1, this.sum / this.step)));
      }
    }
    return true;
  }

  give(value) {
    this.filled = this.sum = 0;
    this.peak = Math.max(this.peak, Math.abs(value));
    this.piece[this.count++] = value * 32767;
    if (this.count < this.piece.length) return;
    this.port.postMessage({ pcm: this.piece, peak: this.peak }); // a copy
    this.count = this.peak = 0;
  }
}

registerProcessor("pcm", Pcm);
