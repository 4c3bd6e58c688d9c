/**
 * Paints on the processor without keeping the page waiting: a worker makes each picture. Until it comes, the picture before it is laid
 * where the film lies now, so that film and layers never part; what was out of sight, and a new window, follow with the picture.
 */

export class AsidePainter {
  /** Whether the last picture that was asked for stands. */
  isSettled = false;
  #isBusy = false;
  #wanted = null;
  /** The view that the picture on the canvas was made for. */
  #madeFor = null;

  // Lifecycle

  /** @param {import("./film.js").Film} film @param {string} helper address of the worker's script @param {() => void} fail called where it does not start */
  constructor(film, helper, fail) {
    this.film = film;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("bitmaprenderer", { alpha: false });
    this.worker = new Worker(helper, { type: "module" });
    this.worker.postMessage({ film: { width: film.width, height: film.height, levels: film.levels } });
    /** Resolves when the first picture stands, or another painter has taken over. @type {Promise<void>} */
    this.drawn = new Promise((resolve) => {
      this.worker.addEventListener("message", ({ data }) => { this.#show(data.picture); resolve(); });
      this.worker.addEventListener("error", () => { fail(); resolve(); }, { once: true });
    });
  }

  destroy() {
    this.worker.terminate();
    this.canvas.remove();
  }

  // Actions

  /** @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels @param {number} ratio screen pixels a CSS pixel */
  draw(view, { low, high, inverted }, ratio) {
    const { flipped, rotated, scale, x, y } = view;
    const { width, height } = this.canvas;
    this.view = view;
    this.#wanted = { view: { flipped, rotated, scale, x, y }, levels: { low, high, inverted }, width, height, ratio, matrix: view.matrix() };
    this.isSettled = false;
    this.#place();
    this.#ask();
  }

  // Private

  /** One picture at a time: of those that were wanted meanwhile, the last. */
  #ask() {
    if (this.#isBusy || !this.#wanted) return;
    const { matrix, ...wanted } = this.#wanted;
    this.#isBusy = true;
    this.making = matrix;
    this.#wanted = null;
    this.worker.postMessage(wanted);
  }

  #show(picture) {
    this.#isBusy = false;
    this.isSettled = !this.#wanted;
    this.context.transferFromImageBitmap(picture);
    this.#madeFor = this.making;
    this.#place();
    this.#ask();
  }

  /** From where the film lay to where it lies: the way back of the one, then the way of the other. */
  #place() {
    if (!this.#madeFor) return;
    const [a, b, c, d, e, f] = this.#madeFor;
    const [p, q, r, s, left, top] = this.view.matrix();
    const area = a * a + b * b;
    const turn = [(p * a + r * c) / area, (q * a + s * c) / area, (p * b + r * d) / area, (q * b + s * d) / area];
    const shift = [left - turn[0] * e - turn[2] * f, top - turn[1] * e - turn[3] * f];
    this.canvas.style.transform = `matrix(${[...turn, ...shift].join()})`;
  }
}
