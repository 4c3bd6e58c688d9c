/** Reading time without idle time: it runs while the page is in sight and a hand has moved within the last half minute. */

const IDLE_MS = 30_000;
const TICK_MS = 1000;
const INPUTS = ["keydown", "pointerdown", "pointermove", "wheel", "scroll", "touchmove", "input"];

export class Clock {
  // Lifecycle

  /** @param {number} already milliseconds that were read before */
  constructor(already) {
    this.total = already;
    this.input = this.before = performance.now();
    this.listen = () => this.#moved();
    for (const name of INPUTS) addEventListener(name, this.listen, { passive: true, capture: true });
    document.addEventListener("visibilitychange", this.listen);
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  end() {
    clearInterval(this.timer);
    for (const name of INPUTS) removeEventListener(name, this.listen, { capture: true });
    document.removeEventListener("visibilitychange", this.listen);
  }

  // Actions

  get ms() {
    this.#tick();
    return Math.round(this.total);
  }

  /** Whether somebody is at it now. */
  get isRunning() { return !document.hidden && performance.now() - this.input < IDLE_MS; }

  // Private

  #moved() {
    this.#tick();
    if (!document.hidden) this.input = performance.now();
  }

  /** What has passed since the last look counts up to the moment at which it became idle. */
  #tick() {
    const now = performance.now();
    if (!this.wasHidden) this.total += Math.max(Math.min(now, this.input + IDLE_MS) - this.before, 0);
    this.before = now;
    this.wasHidden = document.hidden;
  }
}
