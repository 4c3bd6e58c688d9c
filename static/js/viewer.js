/**
 * The film on its own pixels. The 8-bit preview stands at once; the lossless grey levels replace it as soon as they are decoded. Film,
 * heatmap and whatever else is laid over it are layers under one View, so nothing can part them.
 * @typedef {object} Layer something that lies on the film
 * @property {(view: View, levels: Levels) => void} place called at each paint
 * @property {() => void} [destroy]
 */

import { Badges } from "./viewer/badges.js";
import { Drawing } from "./viewer/drawing.js";
import { decoded, isKept } from "./viewer/film.js";
import { Gestures } from "./viewer/gestures.js";
import { Heatmap } from "./viewer/heatmap.js";
import * as keys from "./viewer/keys.js";
import { Levels } from "./viewer/levels.js";
import { Magnifier } from "./viewer/magnifier.js";
import { paint } from "./viewer/painter.js";
import { Priors } from "./viewer/priors.js";
import { Toolbar } from "./viewer/toolbar.js";
import { View } from "./viewer/view.js";
import { Windows } from "./viewer/windows.js";

const STEP = 1.2;
const NUDGE = 40;
// How long decoding the film, which keeps a processor busy, leaves the first turn to its answer.
const ANSWER_FIRST_MS = 1500;
// What would change grey levels that are not there yet, and would say that it had.
const NEED_FILM = new Set([
  "window", "invert", "sent", "window_next", "auto", "lung", "mediastinum", "magnify", "darker", "brighter", "narrower", "wider",
]);

export class Viewer {
  /** @type {Layer[]} */
  layers = [];
  #ends = new AbortController();

  // Lifecycle

  /** @param {HTMLElement} root @param {{ hasKeys?: boolean }} [options] of two viewers on a page, one has the keys */
  constructor(root, { hasKeys = true } = {}) {
    const { width, height, low, high } = root.dataset;
    this.root = root;
    this.stage = root.querySelector("[data-stage]");
    this.preview = root.querySelector("[data-preview]");
    this.slider = root.querySelector("[data-opacity]");
    this.view = new View({ width: Number(width), height: Number(height) });
    this.levels = new Levels({ low: Number(low), high: Number(high) });
    this.toolbar = new Toolbar(root);
    this.windows = new Windows(root, (window) => { this.levels.take(window); this.draw(); });
    this.heatmap = new Heatmap(this.stage, this.view, (words) => this.showHeatmap(words));
    this.gestures = new Gestures(this.stage, this.#moves(), this.#ends.signal);
    this.magnifier = new Magnifier(this.stage, () => this.gestures.cursor);
    this.layers.push(this.heatmap, new Badges(root), this.magnifier);
    this.drawing = new Drawing(this);
    this.regions = this.drawing.regions;
    this.naming = this.drawing.naming;
    this.priors = new Priors(this);
    this.#connect(hasKeys);
    /** Resolves to true when the film's own pixels stand, to false where the preview has to do. @type {Promise<boolean>} */
    this.ready = this.load(root.dataset.pixels, root.dataset.decoder);
  }

  async load(pixels, decoder) {
    try {
      if (!isKept(pixels)) await answered();
      this.film = await decoded(pixels, decoder, this.#ends.signal);
      if (this.#ends.signal.aborted) return false;
      this.magnifier.use(this.film);
      paint(this.film, this.root.dataset.painter, (painter) => this.use(painter), this.#ends.signal);
      await this.painter.drawn;
      this.toolbar.offer("film", true);
      this.toolbar.say("");
      this.root.dataset.ready = "true";
      return true;
    } catch (error) {
      this.toolbar.say(`8-bit preview only, ${error.message}: window and level are off. Reload the page to try again.`);
      return false;
    }
  }

  /** Let go of listeners, graphics card and worker; the film itself stays among the last few. */
  destroy() {
    this.#ends.abort();
    cancelAnimationFrame(this.frame);
    for (const layer of this.layers) layer.destroy?.();
    this.painter?.destroy();
    this.painter = null;
  }

  // Actions

  /** @param {string | undefined} action the `data-do` of a button, or what a key means @returns {boolean} whether it is the viewer's */
  do(action) {
    const act = this.#actions[action] ?? (this.gestures.tools.has(action) ? () => this.take(action) : null);
    if (!act) return false;
    if (NEED_FILM.has(action) && !this.film) return true;
    this.toolbar.tell(act() ?? "");
    this.draw();
    return true;
  }

  /** @param {Layer} layer */
  addLayer(layer) {
    this.layers.push(layer);
    layer.place(this.view, this.levels);
  }

  /** Something that one pointer does on the stage; a button `data-do="name"` and a key take it up. */
  addTool(name, tool) { this.gestures.tools.set(name, tool); }

  /** What a button `data-do="name"` or a key of this name does; words that it gives back are told. @param {() => string | void} act */
  addAction(name, act) { this.#actions[name] = act; }

  /** Dragging does this from now on: "pan", "window", or a tool that was added. */
  take(tool) {
    this.gestures.tool = tool;
    this.stage.dataset.tool = tool;
    for (const one of ["pan", "window", ...this.gestures.tools.keys()]) this.toolbar.press(one, one === tool);
  }

  /** How the film lies, as a draft keeps it. @returns {import("./viewer/view.js").Turn} */
  turned() { return { flipped: this.view.flipped, rotated: this.view.rotated }; }

  /** @param {import("./viewer/view.js").Turn} turn */
  turn({ flipped, rotated }) {
    this.view.turn({ flipped, rotated });
    this.toolbar.press("flip", flipped);
    this.toolbar.press("rotate", rotated !== 0);
    this.root.dispatchEvent(new CustomEvent("view:turn", { bubbles: true, detail: this.turned() }));
    this.draw();
  }

  /** Let this painter's canvas stand in place of the preview, or of the painter before it. */
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

  showHeatmap(words) {
    this.root.dataset.heatmapOn = String(this.heatmap.isOn);
    this.toolbar.offer("heatmap", this.heatmap.exists);
    this.toolbar.press("heatmap", this.heatmap.isOn);
    if (words) this.toolbar.say(words);
  }

  resize() {
    this.view.resize({ width: this.stage.clientWidth, height: this.stage.clientHeight });
    this.#fill();
    this.paint();
  }

  /** Many events, one frame. */
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    this.stage.dataset.fitted = String(this.view.isFitted);
    this.preview.style.transform = this.view.css();
    this.#paintFilm();
    for (const layer of this.layers) layer.place(this.view, this.levels);
    this.toolbar.read(this.view, this.levels, devicePixelRatio);
    this.windows.read(this.levels);
  }

  // Private

  /** What each does; words that it gives back are told. */
  #actions = {
    in: () => this.view.zoom(STEP, ...(this.gestures.cursor ?? [])),
    out: () => this.view.zoom(1 / STEP, ...(this.gestures.cursor ?? [])),
    fit: () => this.view.fit(),
    actual: () => this.view.actual(devicePixelRatio),
    left: () => this.view.pan(NUDGE, 0),
    right: () => this.view.pan(-NUDGE, 0),
    up: () => this.view.pan(0, NUDGE),
    down: () => this.view.pan(0, -NUDGE),
    pan: () => { this.take("pan"); return "Dragging moves the film"; },
    window: () => { this.take("window"); return "Dragging changes the window"; },
    flip: () => this.#turn(() => this.view.flip()),
    rotate: () => this.#turn(() => this.view.rotate()),
    magnify: () => this.#magnify(),
    invert: () => this.#invert(),
    sent: () => { this.levels.asSent(); return "Window as sent"; },
    window_next: () => this.windows.next(),
    auto: () => { this.levels.auto(this.film.levels[0].pixels); return "Window from the 1st to the 99th percentile"; },
    lung: () => { this.levels.lung(); return "Lung +"; },
    mediastinum: () => { this.levels.mediastinum(); return "Mediastinum +"; },
    darker: () => this.levels.change(0.04, 0),
    brighter: () => this.levels.change(-0.04, 0),
    narrower: () => this.levels.change(0, -0.08),
    wider: () => this.levels.change(0, 0.08),
    heatmap: () => { this.heatmap.toggle(); return this.heatmap.exists ? `Heatmap ${this.heatmap.isOn ? "on" : "off"}` : ""; },
    reset: () => this.#reset(),
    more: () => this.toolbar.unfold(),
  };

  #moves() {
    const drawn = (move) => (...how) => { move(...how); this.draw(); };
    return {
      zoom: drawn((...how) => this.view.zoom(...how)),
      pan: drawn((...how) => this.view.pan(...how)),
      window: drawn((...how) => { if (this.film) this.levels.change(...how); }),
      fit: drawn(() => this.view.fit()),
      magnify: drawn((isOn) => { if (this.film) this.#showLens(isOn, isOn); }),
      hover: () => { if (this.magnifier.isOn) this.draw(); },
    };
  }

  #connect(hasKeys) {
    const { signal } = this.#ends;
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(this.stage);
    signal.addEventListener("abort", () => sizes.disconnect());
    this.root.addEventListener("click", (event) => this.do(event.target.closest("[data-do]")?.dataset.do), { signal });
    this.slider?.addEventListener("input", () => this.heatmap.fade(Number(this.slider.value) / 100), { signal });
    document.addEventListener("htmx:afterSwap", () => this.heatmap.adopt(), { signal });
    const map = keys.keymap();
    this.toolbar.name(map);
    if (hasKeys) keys.listen(this.stage, (action) => this.do(action), map, signal);
    if (this.slider) this.heatmap.fade(Number(this.slider.value) / 100);
    this.heatmap.adopt();
    this.resize();
  }

  #turn(move) {
    move();
    this.turn(this.turned());
    const words = this.view.changes().filter((word) => word !== "zoomed or moved").join(", ");
    return words ? `Film ${words}` : "Film as it came";
  }

  #magnify() {
    this.#showLens(!this.magnifier.isOn);
    return `Magnifier ${this.magnifier.isOn ? "on" : "off"}`;
  }

  #showLens(isOn, isHeld = false) {
    this.magnifier.show(isOn, isHeld);
    this.toolbar.press("magnify", isOn);
  }

  #invert() {
    this.levels.invert();
    this.toolbar.press("invert", this.levels.inverted);
    return this.levels.inverted ? "Black and white swapped" : "Black and white as sent";
  }

  #reset() {
    this.levels.asSent();
    if (this.levels.inverted) this.#invert();
    if (this.view.isTurned) this.turn({ flipped: false, rotated: 0 });
    this.#showLens(false);
    this.take("pan");
    this.view.fit();
    return "As at first";
  }

  /** A lens that moves, or a layer that changes, leaves the film as it is. */
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
    // Not stretched by the part of a pixel that the stage may be wider.
    [canvas.style.width, canvas.style.height] = [width, height].map((side) => `${side / devicePixelRatio}px`);
    if (canvas.width === width && canvas.height === height) return;
    [canvas.width, canvas.height] = [width, height];
  }
}

/** Resolves when no film of the page waits for its answer any more, or after ANSWER_FIRST_MS. */
function answered() {
  const waits = () => document.querySelector("#analysis[hx-get]");
  return new Promise((resolve) => {
    if (!waits()) resolve();
    document.addEventListener("htmx:afterSettle", () => { if (!waits()) resolve(); });
    setTimeout(resolve, ANSWER_FIRST_MS);
  });
}

for (const root of document.querySelectorAll("[data-viewer]")) root.viewer ??= new Viewer(root);
