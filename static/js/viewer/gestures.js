/**
 * Mouse, pen and fingers on the stage. One pointer does what the tool says (the right button always windows, the middle one always
 * moves), two fingers move and zoom and never rotate, the wheel zooms to the cursor, a finger that rests magnifies.
 * @typedef {object} Moves what a gesture asks for
 * @property {(factor: number, x: number, y: number) => void} zoom
 * @property {(dx: number, dy: number) => void} pan
 * @property {(level: number, widening: number) => void} window
 * @property {() => void} fit
 * @property {(isOn: boolean) => void} magnify while a finger rests
 * @property {() => void} hover the cursor is somewhere else
 * @typedef {object} Tool takes what one pointer does, in stage coordinates
 * @property {(x: number, y: number, event: PointerEvent) => void} press
 * @property {(x: number, y: number, event: PointerEvent) => void} drag
 * @property {(x: number, y: number, event: PointerEvent) => void} release
 * @property {() => void} [cancel] a second finger came, or the browser took the pointer: nothing was meant
 */

const [RIGHT, MIDDLE] = [2, 1];
const REST_MS = 450;
// A finger never rests quite still.
const STILL = 8;

export class Gestures {
  /** @type {[number, number] | null} where the mouse, or the finger that magnifies, is over the stage */
  cursor = null;
  tool = "pan";
  /** @type {Map<string, Tool>} beside "pan" and "window" */
  tools = new Map();
  #held = new Map();
  /** What the one pointer does: "pan", "window", "lens", or the name of a tool. */
  #doing = null;
  #resting = 0;

  // Lifecycle

  /** @param {HTMLElement} stage @param {Moves} moves @param {AbortSignal} signal */
  constructor(stage, moves, signal) {
    this.stage = stage;
    this.moves = moves;
    const on = (kind, act, options = {}) => stage.addEventListener(kind, act, { signal, ...options });
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.drag(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.cancel(event));
    on("pointerleave", () => { this.cursor = null; this.moves.hover(); });
    on("touchmove", (event) => { if (this.#doing === "lens") event.preventDefault(); }, { passive: false });
    on("contextmenu", (event) => event.preventDefault());
    on("dblclick", () => { if (!this.tools.has(this.tool)) this.moves.fit(); });
    signal?.addEventListener("abort", () => clearTimeout(this.#resting));
  }

  // Actions

  wheel(event) {
    event.preventDefault();
    this.moves.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...this.#place(event));
  }

  press(event) {
    this.stage.setPointerCapture(event.pointerId);
    const place = this.#place(event);
    this.#held.set(event.pointerId, { place, first: place });
    if (this.#held.size > 1) { this.#interrupt(); return; }
    this.#doing = { [RIGHT]: "window", [MIDDLE]: "pan" }[event.button] ?? this.tool;
    this.tools.get(this.#doing)?.press(...place, event);
    if (event.pointerType === "touch" && !this.tools.has(this.#doing)) this.#wait(place);
  }

  drag(event) {
    const place = this.#place(event);
    if (event.pointerType === "mouse") { this.cursor = place; this.moves.hover(); }
    const held = this.#held.get(event.pointerId);
    if (!held) return;
    if (this.#held.size === 1) this.#dragOne(held, place, event);
    else if (this.#held.size === 2) this.#dragTwo(held, place);
    held.place = place;
  }

  release(event) {
    if (this.#held.size === 1) this.tools.get(this.#doing)?.release(...this.#place(event), event);
    this.#let(event);
  }

  cancel(event) {
    this.tools.get(this.#doing)?.cancel?.();
    this.#let(event);
  }

  // Private

  #dragOne({ place: [x, y], first }, [toX, toY], event) {
    if (Math.hypot(toX - first[0], toY - first[1]) > STILL) clearTimeout(this.#resting);
    if (this.#doing === "window") this.moves.window((toY - y) / 500, (toX - x) / 250);
    else if (this.#doing === "lens") { this.cursor = [toX, toY]; this.moves.hover(); }
    else if (this.#doing !== "pan") this.tools.get(this.#doing)?.drag(toX, toY, event);
    // A whole film leaves the finger to the page, so that a telephone scrolls past it.
    else if (event.pointerType !== "touch" || this.stage.dataset.fitted !== "true") this.moves.pan(toX - x, toY - y);
  }

  /** The point between the fingers moves with them, and their distance is the zoom. */
  #dragTwo(held, [toX, toY]) {
    const [x, y] = held.place;
    const [otherX, otherY] = [...this.#held.values()].find((one) => one !== held).place;
    const before = Math.max(Math.hypot(x - otherX, y - otherY), 1);
    this.moves.pan((toX - x) / 2, (toY - y) / 2);
    this.moves.zoom(Math.hypot(toX - otherX, toY - otherY) / before, (toX + otherX) / 2, (toY + otherY) / 2);
  }

  #wait(place) {
    this.#resting = setTimeout(() => {
      this.#doing = "lens";
      this.cursor = place;
      this.moves.magnify(true);
    }, REST_MS);
  }

  /** A second finger: what the first one had begun was the beginning of a zoom. */
  #interrupt() {
    clearTimeout(this.#resting);
    this.tools.get(this.#doing)?.cancel?.();
    this.#endLens();
    this.#doing = "pan";
  }

  #let(event) {
    clearTimeout(this.#resting);
    this.#held.delete(event.pointerId);
    this.#endLens();
    if (!this.#held.size) this.#doing = null;
  }

  #endLens() {
    if (this.#doing !== "lens") return;
    this.#doing = null;
    this.cursor = null;
    this.moves.magnify(false);
  }

  #place(event) {
    const [left, top] = corner(this.stage);
    return [event.clientX - left, event.clientY - top];
  }
}

/** Where the stage's corner is on the screen: browsers paint it on a whole pixel, wherever the layout says it is. @returns {[number, number]} */
export function corner(stage) {
  const box = stage.getBoundingClientRect();
  return [box.left, box.top].map((at) => Math.round(at * devicePixelRatio) / devicePixelRatio);
}
