/** The bar that takes the last read back, or asks for the AI's answer to it: it counts down and goes. */

export class Undo {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.form = root.querySelector("[data-undo]");
    /** @type {HTMLFormElement | null} asks for the AI's answer */
    this.reveal = root.querySelector("[data-reveal]");
    const bar = root.querySelector("[data-undo-bar]");
    this.bar = bar;
    if (!bar) return;
    this.ends = performance.now() + Number(bar.dataset.seconds) * 1000;
    bar.style.setProperty("--undo-s", `${bar.dataset.seconds}s`);
    this.timer = setInterval(() => this.#tick(), 250);
    this.#tick();
  }

  end() {
    clearInterval(this.timer);
    this.bar?.remove();
    this.form?.remove();
    this.reveal?.remove();
    this.bar = this.form = this.reveal = null;
  }

  // Actions

  /** Where to take it back; empty when nothing can be. */
  get address() { return this.form?.action ?? ""; }

  // Private

  #tick() {
    const left = Math.ceil((this.ends - performance.now()) / 1000);
    this.bar.querySelector("[data-left]").textContent = String(Math.max(left, 0));
    if (left <= 0) this.end();
  }
}
