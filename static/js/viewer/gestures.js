/**
 * Mouse, pen and fingers on the stage. One pointer drags (the right button always windows, the middle one always moves), two fingers
 * move and zoom, the wheel zooms to the cursor.
 * @typedef {object} Moves what a gesture asks for
 * @property {(factor: number, x: number, y: number) => void} zoom
 * @property {(dx: number, dy: number) => void} pan
 * @property {(level: number, widening: number) => void} window
 * @property {() => void} fit
 */

const [RIGHT, MIDDLE] = [2, 1];

export class Gestures {
  /** @type {[number, number] | null} where the mouse is over the stage */
  cursor = null;
  tool = "pan";
  #held = new Map();

  // Lifecycle

  /** @param {HTMLElement} stage @param {Moves} moves */
  constructor(stage, moves) {
    this.stage = stage;
    this.moves = moves;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.drag(event));
    stage.addEventListener("pointerleave", () => { this.cursor = null; });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#held.delete(event.pointerId));
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("dblclick", () => this.moves.fit());
  }

  // Actions

  wheel(event) {
    event.preventDefault();
    this.moves.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...this.#place(event));
  }

  press(event) {
    this.stage.setPointerCapture(event.pointerId);
    this.#held.set(event.pointerId, { place: this.#place(event), button: event.button });
  }

  drag(event) {
    const place = this.#place(event);
    if (event.pointerType === "mouse") this.cursor = place;
    const held = this.#held.get(event.pointerId);
    if (!held) return;
    if (this.#held.size === 1) this.#dragOne(held, place);
    else if (this.#held.size === 2) this.#dragTwo(held, place);
    held.place = place;
  }

  // Private

  #dragOne({ place: [x, y], button }, [toX, toY]) {
    const windows = button === RIGHT || (this.tool === "window" && button !== MIDDLE);
    if (windows) this.moves.window((toY - y) / 500, (toX - x) / 250);
    else this.moves.pan(toX - x, toY - y);
  }

  /** The point between the fingers moves with them, and their distance is the zoom. */
  #dragTwo(held, [toX, toY]) {
    const [x, y] = held.place;
    const [otherX, otherY] = [...this.#held.values()].find((one) => one !== held).place;
    const before = Math.max(Math.hypot(x - otherX, y - otherY), 1);
    this.moves.pan((toX - x) / 2, (toY - y) / 2);
    this.moves.zoom(Math.hypot(toX - otherX, toY - otherY) / before, (toX + otherX) / 2, (toY + otherY) / 2);
  }

  #place(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}
