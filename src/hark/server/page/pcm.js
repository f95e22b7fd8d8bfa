// In the audio thread: sound at the rate wanted, as 16-bit PCM in pieces of 40 ms, each with its peak.

class Pcm extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    this.step = sampleRate / rate;
    this.size = Math.round(rate / 25);
    this.filled = this.sum = 0;
    this.begin();
  }

  begin() {
    this.piece = new Int16Array(this.size);
    this.count = this.peak = 0;
  }

  // A sample that is given is the mean of those that it spans.
  process([[channel]]) {
    for (const value of channel ?? []) {
      for (let left = 1; left > 1e-9;) {
        const taken = Math.min(left, this.step - this.filled);
        this.sum += value * taken;
        this.filled += taken;
        left -= taken;
        if (this.filled >= this.step - 1e-9) this.give(this.sum / this.step);
      }
    }
    return true;
  }

  give(value) {
    this.filled = this.sum = 0;
    const held = Math.max(-1, Math.min(1, value));
    this.peak = Math.max(this.peak, Math.abs(held));
    this.piece[this.count++] = held * 32767;
    if (this.count < this.size) return;
    this.port.postMessage({ pcm: this.piece, peak: this.peak }, [this.piece.buffer]);
    this.begin();
  }
}

registerProcessor("pcm", Pcm);
