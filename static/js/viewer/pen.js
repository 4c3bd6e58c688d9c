/** A pointer that draws a box, an outline or a length: what a tool of the viewer is asked to do, in pixels of the stage. */

import { boxBetween, isDrawn, onFilm, outlineOf } from "./shapes.js";

// Less than so many pixels of the stage was a click.
const CLICK = 4;

export class Pen {
  #points = [];
  #region = null;

  // Lifecycle

  /**
   * @param {import("./shapes.js").Kind} kind
   * @param {import("./view.js").View} view
   * @param {import("./regions.js").Regions} regions
   * @param {(region: import("./regions.js").Region | null) => void} done null: nothing was drawn
   */
  constructor(kind, view, regions, done) {
    this.kind = kind;
    this.view = view;
    this.regions = regions;
    this.done = done;
  }

  // Actions

  press(x, y) {
    this.#points = [this.#at(x, y)];
    this.#region = this.regions.begun(this.kind, this.#points);
  }

  drag(x, y, event) {
    if (!this.#region) return;
    if (this.kind === "outline") this.#points.push(...this.#between(x, y, event));
    else this.#points[1] = this.#at(x, y);
    this.#region = { ...this.#region, points: this.#shape() };
    this.regions.show(this.#region);
  }

  release() {
    const region = this.#region && { ...this.#region, points: this.#finished() };
    this.cancel();
    this.done(region && isDrawn(this.kind, region.points, CLICK / this.view.scale) ? region : null);
  }

  cancel() {
    this.#region = null;
    this.regions.show(null);
  }

  // Private

  #at(x, y) { return onFilm(this.view.toFilm(x, y), this.view.film); }

  /** A fast hand is farther than one frame knows: the browser kept the places between. */
  #between(x, y, event) {
    const passed = event?.getCoalescedEvents?.() ?? [];
    const places = passed.map((one) => [x + one.clientX - event.clientX, y + one.clientY - event.clientY]);
    return (places.length ? places : [[x, y]]).map((place) => this.#at(...place));
  }

  #shape() {
    return this.kind === "box" ? boxBetween(this.#points[0], this.#points[1]) : [...this.#points];
  }

  #finished() {
    return this.kind === "outline" ? outlineOf(this.#points, this.view.film) : this.#region.points;
  }
}
