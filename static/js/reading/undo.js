/** The bar that takes the last read back: it counts down and goes. */

export class Undo {
  // Lifecycle

  /** @param {HTMLFormElement | null} bar @param {() => void} over called when it is too late */
  constructor(bar, over) {
    this.bar = bar;
    this.over = over;
    if (!bar) return;
    this.ends = performance.now() + Number(bar.dataset.seconds) * 1000;
    bar.style.setProperty("--undo-s", `${bar.dataset.seconds}s`);
    this.timer = setInterval(() => this.#tick(), 250);
    this.#tick();
  }

  end() {
    clearInterval(this.timer);
    this.bar?.remove();
    this.bar = null;
  }

  // Actions

  /** Where to take it back; empty when nothing can be. */
  get address() { return this.bar?.action ?? ""; }

  // Private

  #tick() {
    const left = Math.ceil((this.ends - performance.now()) / 1000);
    this.bar.querySelector("[data-left]").textContent = String(Math.max(left, 0));
    if (left > 0) return;
    this.end();
    this.over();
  }
}
