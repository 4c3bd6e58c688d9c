/**
 * A round lens under the cursor, in the middle of the stage where there is none. It shows the film's own pixels in the present window,
 * without heatmap and drawings, larger than the film around it and never smaller than 1:1. So few pixels are cheap on the processor.
 */

import { PlainPainter } from "./plain.js";

const LARGER = 2.5;
const DIAMETER = 240;
// A finger hides what is under it, so its lens stands above it.
const ABOVE = 150;

export class Magnifier {
  isOn = false;
  /** Whether a finger holds it. */
  isHeld = false;

  // Lifecycle

  /** @param {HTMLElement} stage @param {() => ([number, number] | null)} cursor */
  constructor(stage, cursor) {
    this.stage = stage;
    this.cursor = cursor;
  }

  /** @param {import("./film.js").Film} film */
  use(film) {
    this.painter = new PlainPainter(film);
    this.painter.canvas.className = "viewer__lens";
    this.painter.canvas.hidden = !this.isOn;
    this.stage.append(this.painter.canvas);
  }

  destroy() { this.painter?.destroy(); }

  // Actions

  /** @param {boolean} isOn @param {boolean} isHeld */
  show(isOn, isHeld = false) {
    this.isOn = isOn;
    this.isHeld = isHeld;
    if (this.painter) this.painter.canvas.hidden = !isOn;
  }

  /** A layer's own: called at each paint. @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels */
  place(view, levels) {
    if (!this.isOn || !this.painter) return;
    const { canvas } = this.painter;
    const [x, y] = this.cursor() ?? [view.stage.width / 2, view.stage.height / 2];
    const side = Math.round(Math.min(DIAMETER, view.stage.width / 2, view.stage.height / 2));
    const pixels = Math.round(side * devicePixelRatio);
    if (canvas.width !== pixels) [canvas.width, canvas.height] = [pixels, pixels];
    canvas.style.width = canvas.style.height = `${side}px`;
    const top = Math.max(y - (this.isHeld ? ABOVE : 0), side / 2);
    canvas.style.transform = `translate(${x - side / 2}px,${(this.isHeld ? top : y) - side / 2}px)`;
    this.painter.draw(through(view, x, y, side), levels, devicePixelRatio);
  }
}

// Private

/** The view through the lens: what lies at (x, y) of the stage lies in the middle of a square of this side. */
function through(view, x, y, side) {
  const [filmX, filmY] = view.toFilm(x, y);
  const lens = Object.create(view);
  lens.scale = Math.max(view.scale * LARGER, 1 / devicePixelRatio);
  [lens.x, lens.y] = [0, 0];
  const [left, top] = lens.toStage(filmX, filmY);
  [lens.x, lens.y] = [side / 2 - left, side / 2 - top];
  return lens;
}
