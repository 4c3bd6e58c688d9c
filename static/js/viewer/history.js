/** What was, what is and what was undone; states are never changed, only replaced. */

const KEPT = 200;

/** @template State */
export class History {
  #past = [];
  #future = [];
  #mark = "";

  // Lifecycle

  /** @param {State} present */
  constructor(present) {
    this.present = present;
  }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  // Actions

  /**
   * @param {State} next
   * @param {string} [mark] the same mark again continues the same step: a box that a key moves ten times is moved once
   */
  commit(next, mark = "") {
    if (!mark || mark !== this.#mark) this.#past = [...this.#past, this.present].slice(-KEPT);
    this.#mark = mark;
    this.#future = [];
    this.present = next;
  }

  /** @returns {boolean} whether there was anything to undo */
  undo() { return this.#step(this.#past, this.#future); }

  /** @returns {boolean} whether there was anything to do again */
  redo() { return this.#step(this.#future, this.#past); }

  // Private

  #step(from, to) {
    if (!from.length) return false;
    to.push(this.present);
    this.present = from.pop();
    this.#mark = "";
    return true;
  }
}
