/**
 * The film on its own pixels. The 8-bit preview stands at once; the lossless grey levels replace it as soon as they are decoded. Film
 * and heatmap are layers under one View, so nothing can part them.
 */

import { decoded } from "./viewer/film.js";
import { Gestures } from "./viewer/gestures.js";
import { Heatmap } from "./viewer/heatmap.js";
import * as keys from "./viewer/keys.js";
import { Levels } from "./viewer/levels.js";
import { paint } from "./viewer/painter.js";
import { Toolbar } from "./viewer/toolbar.js";
import { View } from "./viewer/view.js";
import { Windows } from "./viewer/windows.js";

const STEP = 1.2;
const NUDGE = 40;
// How long decoding the film, which keeps a processor busy, leaves the first turn to its answer.
const ANSWER_FIRST_MS = 1500;
// What would change grey levels that are not there yet, and would say that it had.
const NEED_FILM = new Set(["window", "invert", "sent", "next", "auto", "darker", "brighter", "narrower", "wider"]);

export class Viewer {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
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
    this.gestures = new Gestures(this.stage, this.#moves());
    this.#connect();
    this.load(root.dataset.pixels, root.dataset.decoder);
  }

  async load(pixels, decoder) {
    try {
      await answered();
      this.film = await decoded(pixels, decoder);
      paint(this.film, (painter) => this.use(painter));
      this.toolbar.offer("film", true);
      this.toolbar.say("");
      this.root.dataset.ready = "true";
    } catch (error) {
      this.toolbar.say(`8-bit preview only, ${error.message}: window and level are off. Reload the page to try again.`);
    }
  }

  // Actions

  /** @param {string | undefined} action the `data-do` of a button, or what a key means */
  do(action) {
    const act = this.#actions[action];
    if (!act || (NEED_FILM.has(action) && !this.film)) return;
    act();
    this.draw();
  }

  /** Let this painter's canvas stand in place of the preview, or of the painter before it. */
  use(painter) {
    this.painter?.canvas.remove();
    this.painter = painter;
    painter.canvas.className = "viewer__canvas";
    this.#fill();
    this.paint();
    this.stage.prepend(painter.canvas);
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
    this.heatmap.place();
    this.painter?.draw(this.view, this.levels, devicePixelRatio);
    this.toolbar.read(this.view, this.levels, devicePixelRatio);
    this.windows.read(this.levels);
  }

  // Private

  #actions = {
    in: () => this.view.zoom(STEP, ...(this.gestures.cursor ?? [])),
    out: () => this.view.zoom(1 / STEP, ...(this.gestures.cursor ?? [])),
    fit: () => this.view.fit(),
    actual: () => this.view.actual(devicePixelRatio),
    left: () => this.view.pan(NUDGE, 0),
    right: () => this.view.pan(-NUDGE, 0),
    up: () => this.view.pan(0, NUDGE),
    down: () => this.view.pan(0, -NUDGE),
    pan: () => this.#take("pan"),
    window: () => this.#take("window"),
    invert: () => { this.levels.invert(); this.toolbar.press("invert", this.levels.inverted); },
    sent: () => this.levels.asSent(),
    next: () => this.windows.next(),
    auto: () => this.levels.auto(this.film.levels[0].pixels),
    darker: () => this.levels.change(0.04, 0),
    brighter: () => this.levels.change(-0.04, 0),
    narrower: () => this.levels.change(0, -0.08),
    wider: () => this.levels.change(0, 0.08),
    heatmap: () => this.heatmap.toggle(),
    reset: () => this.#reset(),
  };

  #moves() {
    const drawn = (move) => (...how) => { move(...how); this.draw(); };
    return {
      zoom: drawn((...how) => this.view.zoom(...how)),
      pan: drawn((...how) => this.view.pan(...how)),
      window: drawn((...how) => { if (this.film) this.levels.change(...how); }),
      fit: drawn(() => this.view.fit()),
    };
  }

  #connect() {
    new ResizeObserver(() => this.resize()).observe(this.stage);
    this.root.addEventListener("click", (event) => this.do(event.target.closest("[data-do]")?.dataset.do));
    this.slider.addEventListener("input", () => this.heatmap.fade(Number(this.slider.value) / 100));
    keys.listen(this.stage, (action) => this.do(action));
    document.addEventListener("htmx:afterSwap", () => this.heatmap.adopt());
    this.heatmap.fade(Number(this.slider.value) / 100);
    this.heatmap.adopt();
    this.resize();
  }

  #take(tool) {
    this.gestures.tool = tool;
    this.stage.dataset.tool = tool;
    for (const one of ["pan", "window"]) this.toolbar.press(one, one === tool);
  }

  #reset() {
    this.levels.asSent();
    if (this.levels.inverted) this.do("invert");
    this.#take("pan");
    this.view.fit();
  }

  /** As many canvas pixels as the stage has on this screen. */
  #fill() {
    if (!this.painter) return;
    this.painter.canvas.width = Math.round(this.stage.clientWidth * devicePixelRatio);
    this.painter.canvas.height = Math.round(this.stage.clientHeight * devicePixelRatio);
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

const root = document.querySelector("[data-viewer]");
if (root) root.viewer = new Viewer(root);
