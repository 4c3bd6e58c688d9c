/**
 * A second film beside the current one: its pixels alone, in a view of its own. Nothing that an AI says of it is ever shown here.
 * @typedef {object} Facts of a film, as the page's list of priors has them
 * @property {string} width
 * @property {string} height
 * @property {string} low
 * @property {string} high
 * @property {string} pixels
 * @property {string} preview
 * @property {string} rightEdge which side of the patient is there, L or R, as sent; or empty
 */

import { Badges } from "./badges.js";
import { decoded } from "./film.js";
import { Gestures } from "./gestures.js";
import { Levels } from "./levels.js";
import { paint } from "./painter.js";
import { View } from "./view.js";

const STEP = 1.2;
const NUDGE = 40;

export class Pane {
  #frame = null;
  #ended = new AbortController();

  // Lifecycle

  /**
   * @param {HTMLElement} frame
   * @param {DOMStringMap & Facts} facts
   * @param {{ changed: () => void, moved: () => void, say: (words: string) => void }} told `moved` by a hand; `changed` in its size
   */
  constructor(frame, { width, height, low, high, pixels, preview, rightEdge }, told) {
    frame.dataset.rightEdge = rightEdge;
    this.stage = frame.querySelector("[data-stage]");
    this.told = told;
    this.view = new View({ width: Number(width), height: Number(height) });
    this.levels = new Levels({ low: Number(low), high: Number(high) });
    this.badges = new Badges(frame);
    this.preview = Object.assign(frame.querySelector("[data-prior-preview]"), { width, height, src: preview, hidden: false });
    this.gestures = new Gestures(this.stage, this.#moves(), this.#ended.signal);
    this.stage.addEventListener("keydown", (event) => this.press(event), { signal: this.#ended.signal });
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.stage);
    this.resize();
    this.helper = frame.dataset.painter;
    this.load(pixels, frame.dataset.decoder);
  }

  async load(pixels, decoder) {
    this.told.say("8-bit preview");
    try {
      const film = await decoded(pixels, decoder, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      this.film = film;
      paint(film, this.helper, (painter) => this.use(painter), this.#ended.signal);
      await this.painter.drawn;
      if (this.#ended.signal.aborted) return;
      this.told.say("");
      this.stage.dataset.ready = "true";
    } catch (error) {
      if (!this.#ended.signal.aborted) this.told.say(`The pixels of this film could not be loaded: ${error.message}.`);
    }
  }

  destroy() {
    this.#ended.abort();
    this.resizing.disconnect();
    this.painter?.destroy();
    for (const mark of this.stage.querySelectorAll("[data-mark]")) mark.remove();
    delete this.stage.dataset.ready;
  }

  // Actions

  async use(painter) {
    this.painter?.destroy();
    this.painter = painter;
    this.painted = "";
    painter.canvas.className = "viewer__canvas";
    this.#fill();
    this.paint();
    this.stage.prepend(painter.canvas);
    await painter.drawn;
    this.preview.hidden = true;
  }

  resize() {
    this.view.resize({ width: this.stage.clientWidth, height: this.stage.clientHeight });
    this.#fill();
    this.told.changed();
    this.draw();
  }

  draw() {
    this.#frame ??= requestAnimationFrame(() => { this.#frame = null; this.paint(); });
  }

  paint() {
    this.stage.dataset.fitted = String(this.view.isFitted);
    this.preview.style.transform = this.view.css();
    this.badges.place(this.view, this.levels);
    this.#paintFilm();
  }

  press(event) {
    const act = { "+": () => this.view.zoom(STEP), "=": () => this.view.zoom(STEP), "-": () => this.view.zoom(1 / STEP), 0: () => this.view.fit(),
      ArrowLeft: () => this.view.pan(NUDGE, 0), ArrowRight: () => this.view.pan(-NUDGE, 0),
      ArrowUp: () => this.view.pan(0, NUDGE), ArrowDown: () => this.view.pan(0, -NUDGE) }[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
    this.#moved();
  }

  // Private

  #moves() {
    const moved = (move) => (...how) => { move(...how); this.#moved(); };
    return {
      zoom: moved((...how) => this.view.zoom(...how)),
      pan: moved((...how) => this.view.pan(...how)),
      window: moved((...how) => { if (this.film) this.levels.change(...how); }),
      fit: moved(() => this.view.fit()),
      magnify: () => {},
      hover: () => {},
    };
  }

  #moved() {
    this.told.moved();
    this.draw();
  }

  /** Only where something changed: the current film is painted more often. */
  #paintFilm() {
    if (!this.painter) return;
    const { width, height } = this.painter.canvas;
    const key = [this.view.css(), this.levels.low, this.levels.high, this.levels.inverted, width, height].join();
    if (key === this.painted) return;
    this.painted = key;
    this.painter.draw(this.view, this.levels, devicePixelRatio);
  }

  /** As many canvas pixels as the stage has on this screen. */
  #fill() {
    if (!this.painter) return;
    const { canvas } = this.painter;
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight].map((side) => Math.round(side * devicePixelRatio));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  }
}
