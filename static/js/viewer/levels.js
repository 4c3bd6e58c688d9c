/**
 * The window: which grey level is black and which is white.
 * @typedef {{ low: number, high: number }} Window
 */

const NARROWEST = 1;
const WIDEST = 262_144;
// Parts of the window as sent, from its black to its white. Measured on films with outlined lungs: docs/decisions/0010-contrast-presets.md
const LUNG = [0.1, 0.75];
const MEDIASTINUM = [0.5, 0.95];

export class Levels {
  /** @param {Window} sent as the film came */
  constructor(sent) {
    this.sent = sent;
    this.inverted = false;
    this.asSent();
  }

  get centre() { return (this.low + this.high) / 2; }
  get width() { return this.high - this.low; }
  get isWindowChanged() { return this.low !== this.sent.low || this.high !== this.sent.high; }

  // Actions

  asSent() { this.take(this.sent, "sent"); }

  /** @param {Window} window @param {"" | "sent" | "auto" | "lung" | "mediastinum"} preset its name, if it has one */
  take({ low, high }, preset = "") {
    this.low = low;
    this.high = high;
    this.preset = preset;
  }

  /** More contrast in what is dark on a film: air. */
  lung() { this.#part(LUNG, "lung"); }

  /** More contrast in what is bright on a film: heart, vessels, bone. */
  mediastinum() { this.#part(MEDIASTINUM, "mediastinum"); }

  invert() { this.inverted = !this.inverted; }

  /** Between the 1st and the 99th percentile of the grey levels. @param {Uint16Array} pixels */
  auto(pixels) {
    const counts = new Uint32Array(65536);
    const step = Math.max(1, Math.floor(pixels.length / 1_000_000));
    let n = 0;
    for (let i = 0; i < pixels.length; i += step, n += 1) counts[pixels[i]] += 1;
    const low = percentile(counts, n * 0.01);
    this.take({ low, high: Math.max(percentile(counts, n * 0.99), low + NARROWEST) }, "auto");
  }

  /** Move the centre by `level`, a share of the width, and widen by the power of e: fine steps where the window is narrow. */
  change(level, widening) {
    const centre = this.centre + level * this.width;
    const half = Math.min(Math.max(this.width * Math.exp(widening), NARROWEST), WIDEST) / 2;
    this.take({ low: centre - half, high: centre + half });
  }

  /** What is changed against the film as it came, in words. @returns {string[]} */
  changes() {
    return [...(this.isWindowChanged ? ["window"] : []), ...(this.inverted ? ["inverted"] : [])];
  }

  toString() { return `W ${Math.round(this.width)}  L ${Math.round(this.centre)}`; }

  // Private

  #part([from, to], preset) {
    const { low, high } = this.sent;
    this.take({ low: low + from * (high - low), high: low + to * (high - low) }, preset);
  }
}

// Private

function percentile(counts, wanted) {
  let seen = 0;
  for (let level = 0; level < counts.length; level += 1) {
    seen += counts[level];
    if (seen > wanted) return level;
  }
  return counts.length - 1;
}
