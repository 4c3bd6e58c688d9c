/**
 * Where the film lies on the stage: one transform that all layers share. Stage units are CSS pixels, film units its pixels. The film is
 * mirrored left to right first, then rotated clockwise, then made larger and moved; its own coordinates stay what they are (rule D8).
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ flipped: boolean, rotated: number }} Turn `rotated` is 0, 90, 180 or 270 degrees, clockwise
 */

const LARGEST = 40;
// So much of the film stays on the stage, however far it is moved.
const KEPT = 64;

export class View {
  flipped = false;
  rotated = 0;

  /** @param {Size} film */
  constructor(film) {
    this.film = film;
    this.stage = { width: 0, height: 0 };
    this.isFitted = true;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  get isTurned() { return this.flipped || this.rotated !== 0; }

  /** The film as it lies: a quarter turn swaps its sides. @returns {Size} */
  get size() {
    const { width, height } = this.film;
    return this.rotated % 180 ? { width: height, height: width } : { width, height };
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

  /** A quarter turn clockwise, about the middle of the stage. */
  rotate() { this.turn({ flipped: this.flipped, rotated: this.rotated + 90 }); }

  /** Mirror what is seen: of a film that is mirrored before it is rotated, the rotation changes its sense. */
  flip() { this.turn({ flipped: !this.flipped, rotated: 360 - this.rotated }); }

  /** Lie this way; what was in the middle of the stage stays there. @param {Turn} turn */
  turn({ flipped, rotated }) {
    const [x, y] = this.toFilm(this.stage.width / 2, this.stage.height / 2);
    this.flipped = flipped;
    this.rotated = rotated % 360;
    if (this.isFitted) { this.fit(); return; }
    const [toX, toY] = this.toStage(x, y);
    this.#move(this.stage.width / 2 - toX, this.stage.height / 2 - toY);
  }

  /** @returns {[number, number, number, number, number, number]} film pixel → stage pixel, as CSS's matrix() orders its numbers */
  matrix() {
    const { width, height } = this.film;
    const [a, b, c, d, e, f] = ROTATIONS[this.rotated](width, height);
    const [p, q, left, top] = this.flipped ? [-a, -b, e + a * width, f + b * width] : [a, b, e, f];
    const { scale } = this;
    return [p * scale, q * scale, c * scale, d * scale, this.x + left * scale, this.y + top * scale];
  }

  /** Film pixel → stage pixel. @returns {[number, number]} */
  toStage(x, y) {
    const [a, b, c, d, e, f] = this.matrix();
    return [a * x + c * y + e, b * x + d * y + f];
  }

  /** Stage pixel → film pixel, also outside the film. @returns {[number, number]} */
  toFilm(x, y) {
    const [a, b, c, d, e, f] = this.matrix();
    const area = this.scale ** 2;
    return [(a * (x - e) + b * (y - f)) / area, (c * (x - e) + d * (y - f)) / area];
  }

  /** CSS transform of a layer whose own size is the film's. */
  css() { return `matrix(${this.matrix().join()})`; }

  /** What is changed against the film as it came, in words. @returns {string[]} */
  changes() {
    const words = [];
    if (this.flipped) words.push("flipped");
    if (this.rotated) words.push(`rotated ${this.rotated}°`);
    if (!this.isFitted) words.push("zoomed or moved");
    return words;
  }

  // Private

  #whole() {
    return Math.min(this.stage.width / this.size.width, this.stage.height / this.size.height) || 1;
  }

  #centre() {
    this.x = (this.stage.width - this.size.width * this.scale) / 2;
    this.y = (this.stage.height - this.size.height * this.scale) / 2;
  }

  #move(dx, dy) {
    this.x = held(this.x + dx, this.size.width * this.scale, this.stage.width);
    this.y = held(this.y + dy, this.size.height * this.scale, this.stage.height);
  }
}

/** Clockwise about the film's own middle, then with its upper left corner back at (0, 0): a, b, c, d, e, f of CSS's matrix(). */
const ROTATIONS = {
  0: () => [1, 0, 0, 1, 0, 0],
  90: (width, height) => [0, 1, -1, 0, height, 0],
  180: (width, height) => [-1, 0, 0, -1, width, height],
  270: (width) => [0, -1, 1, 0, 0, width],
};

/** An offset at which some of `length` still lies between 0 and `room`. */
function held(offset, length, room) {
  const kept = Math.min(KEPT, length, room);
  return Math.min(Math.max(offset, kept - length), room - kept);
}
