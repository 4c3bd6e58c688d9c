/**
 * Paints grey levels on the processor: what is in sight, through a table from grey level to colour. Cheap enough for a lens; a whole
 * stage is painted by a worker (plain.worker.js).
 */

export class PlainPainter {
  // Lifecycle

  /** @param {import("./film.js").Film} film @param {HTMLCanvasElement | OffscreenCanvas} [canvas] */
  constructor(film, canvas = document.createElement("canvas")) {
    this.film = film;
    this.canvas = canvas;
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.patch = new OffscreenCanvas(1, 1).getContext("2d", { alpha: false });
    this.table = new Uint32Array(65536);
  }

  destroy() { this.canvas.remove(); }

  // Actions

  /** @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels @param {number} ratio screen pixels a CSS pixel */
  draw(view, levels, ratio) {
    const { context, film, canvas: { width, height } } = this;
    const half = Math.min(Math.max(Math.round(-Math.log2(view.scale * ratio)), 0), film.levels.length - 1);
    const plane = film.levels[half];
    const unit = 2 ** half;
    const [[x0, y0], [x1, y1]] = [view.toFilm(0, 0), view.toFilm(width / ratio, height / ratio)];
    const [left, right] = between(x0 / unit, x1 / unit, plane.width);
    const [top, bottom] = between(y0 / unit, y1 / unit, plane.height);
    const [columns, rows] = [right - left, bottom - top];
    context.resetTransform();
    context.fillRect(0, 0, width, height);
    if (columns <= 0 || rows <= 0) return;
    this.#tabulate(levels);
    this.#fill(plane, left, top, columns, rows);
    context.setTransform(...view.matrix().map((number) => number * ratio));
    context.drawImage(this.patch.canvas, 0, 0, columns, rows, left * unit, top * unit, columns * unit, rows * unit);
  }

  // Private

  /** The part of a plane that is in sight, as pictures of its pixels, one for one. */
  #fill(plane, left, top, columns, rows) {
    const { canvas } = this.patch;
    if (canvas.width < columns || canvas.height < rows) [canvas.width, canvas.height] = [columns, rows];
    if (this.image?.width !== columns || this.image.height !== rows) this.image = this.patch.createImageData(columns, rows);
    const [out, { table }, { pixels }] = [new Uint32Array(this.image.data.buffer), this, plane];
    for (let row = 0, to = 0; row < rows; row += 1) {
      const from = (top + row) * plane.width + left;
      for (let at = from; at < from + columns; at += 1, to += 1) out[to] = table[pixels[at]];
    }
    this.patch.putImageData(this.image, 0, 0);
  }

  #tabulate({ low, high, inverted }) {
    const key = `${low} ${high} ${inverted}`;
    if (this.key === key) return;
    this.key = key;
    const [first, last] = [low, high].map((level) => Math.min(Math.max(Math.ceil(level), 0), 65535));
    const factor = 255 / Math.max(high - low, 1e-6);
    this.table.fill(colour(0, inverted), 0, first);
    this.table.fill(colour(255, inverted), last);
    for (let level = first; level < last; level += 1) this.table[level] = colour(Math.round((level - low) * factor), inverted);
  }
}

function colour(shown, inverted) { return (0xff000000 | ((inverted ? 255 - shown : shown) * 0x010101)) >>> 0; }

/** First and last pixel (exclusive) of `length` that are seen between two places, whichever comes first. */
function between(one, other, length) {
  return [Math.max(Math.floor(Math.min(one, other)) - 1, 0), Math.min(Math.ceil(Math.max(one, other)) + 1, length)];
}
