/**
 * Where the film lies on the stage: one transform that all layers share. Stage units are CSS pixels, film units its pixels.
 * @typedef {{ width: number, height: number }} Size
 */

const LARGEST = 40;
// So much of the film stays on the stage, however far it is moved.
const KEPT = 64;

export class View {
  /** @param {Size} film */
  constructor(film) {
    this.film = film;
    this.stage = { width: 0, height: 0 };
    this.isFitted = true;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  // Actions

  /** The stage has another size: a fitted film fits again, any other keeps its middle. @param {Size} stage */
  resize(stage) {
    const before = this.stage;
    this.stage = stage;
    if (this.isFitted) this.fit();
    else this.#move((stage.width - before.width) / 2, (stage.height - before.height) / 2);
  }

  /** The whole film, centred. */
  fit() {
    this.scale = this.#whole();
    this.#centre();
    this.isFitted = true;
  }

  /** One pixel of the film on one pixel of the screen. @param {number} ratio screen pixels a CSS pixel */
  actual(ratio) {
    this.scale = 1 / ratio;
    this.#centre();
    this.isFitted = false;
  }

  /** Zoom so that the film's point under (x, y) stays there; without a point, the middle of the stage does. */
  zoom(factor, x = this.stage.width / 2, y = this.stage.height / 2) {
    const scale = Math.min(Math.max(this.scale * factor, this.#whole() / 4), LARGEST);
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.pan(0, 0);
  }

  pan(dx, dy) {
    this.#move(dx, dy);
    this.isFitted = false;
  }

  /** Film pixel → stage pixel. */
  toStage(x, y) {
    return [this.x + x * this.scale, this.y + y * this.scale];
  }

  /** CSS transform of a layer whose own size is the film's. */
  css() {
    return `matrix(${this.scale},0,0,${this.scale},${this.x},${this.y})`;
  }

  // Private

  #whole() {
    return Math.min(this.stage.width / this.film.width, this.stage.height / this.film.height) || 1;
  }

  #centre() {
    this.x = (this.stage.width - this.film.width * this.scale) / 2;
    this.y = (this.stage.height - this.film.height * this.scale) / 2;
  }

  #move(dx, dy) {
    this.x = held(this.x + dx, this.film.width * this.scale, this.stage.width);
    this.y = held(this.y + dy, this.film.height * this.scale, this.stage.height);
  }
}

/** An offset at which some of `length` still lies between 0 and `room`. */
function held(offset, length, room) {
  const kept = Math.min(KEPT, length, room);
  return Math.min(Math.max(offset, kept - length), room - kept);
}
