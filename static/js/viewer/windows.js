/** The windows that came with the film, by name (rule D10), where there is more than one: a list beside 'As sent'. */

export class Windows {
  // Lifecycle

  /**
   * @param {HTMLElement} root
   * @param {(window: import("./levels.js").Window) => void} choose
   */
  constructor(root, choose) {
    /** @type {HTMLSelectElement | null} */
    this.list = root.querySelector("[data-windows]");
    this.choose = choose;
    this.list?.addEventListener("change", () => this.take());
    // Whoever chose with the mouse goes on with the viewer's keys; a keyboard stays in the list.
    this.list?.addEventListener("pointerdown", () => { this.byPointer = true; });
    this.list?.addEventListener("keydown", () => { this.byPointer = false; });
  }

  // Actions

  take() {
    this.choose(between(this.list.selectedOptions[0]));
    if (this.byPointer) this.list.blur();
  }

  next() {
    if (!this.list) return;
    const offered = this.#offered();
    this.choose(between(offered[(offered.indexOf(this.list.selectedOptions[0]) + 1) % offered.length]));
  }

  /** Name the window that is on. @param {import("./levels.js").Levels} levels */
  read(levels) {
    if (!this.list) return;
    const option = this.#offered().find((one) => { const { low, high } = between(one); return low === levels.low && high === levels.high; });
    this.list.selectedIndex = option ? option.index : 0;
  }

  // Private

  /** All but the first option, which stands for any window that did not come with the film. */
  #offered() { return [...this.list.options].slice(1); }
}

function between(option) { return { low: Number(option.dataset.low), high: Number(option.dataset.high) }; }
