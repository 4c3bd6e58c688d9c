/**
 * Drawing on the film: the tools, the regions that they leave, their layer and their list. Regions are drawn where the page asks for
 * them (`data-regions`), lengths everywhere. A tool draws one region and gives the pointer back; asked for a second time, it places one
 * in the middle of what is to be seen, which keys then move.
 */

import { corner } from "./gestures.js";
import { Lengths } from "./lengths.js";
import { Naming } from "./naming.js";
import { Pen } from "./pen.js";
import { RegionLayer } from "./region_layer.js";
import { RegionList } from "./region_list.js";
import { Regions } from "./regions.js";
import { boundsOf, handlesOf, isDrawn, moved, placedIn, pulled } from "./shapes.js";

const HINTS = {
  box: "Drag a box; the same key again places one",
  outline: "Drag around what you mean; the same key again places an outline",
  length: "Drag from end to end; the same key again places a line",
};

export class Drawing {
  #ends = new AbortController();

  // Lifecycle

  /** @param {import("../viewer.js").Viewer} viewer */
  constructor(viewer) {
    const { root, view } = viewer;
    this.viewer = viewer;
    this.view = view;
    this.regions = new Regions(root, view.film, terms());
    this.kinds = this.regions.isFixed ? [] : root.dataset.regions === undefined ? ["length"] : ["box", "outline", "length"];
    this.naming = new Naming(this.regions, new Lengths(root.dataset));
    this.layer = new RegionLayer(viewer.stage, this.regions, this.naming, (...what) => this.grab(...what));
    this.list = new RegionList(root, this.regions, this.naming, {
      nudge: (...how) => this.nudge(...how), remove: (id) => viewer.toolbar.tell(this.remove(id)), leave: () => this.leave(),
    });
    this.#connect();
  }

  destroy() {
    this.#ends.abort();
    this.layer.destroy();
  }

  // Actions

  /** The viewer paints. @param {import("./view.js").View} view */
  place(view) { this.layer.place(view); }

  take(kind) {
    if (this.viewer.gestures.tool === kind) return this.put(kind);
    this.viewer.take(kind);
    return HINTS[kind];
  }

  /** By keys: in the middle of what is to be seen of the film. */
  put(kind) {
    const region = this.regions.begun(kind, placedIn(kind, this.#seen(), this.view.film));
    this.#keep(region);
    this.list.focus(region.id);
    return `${this.naming.long(region)}. Arrows move it, Shift and arrows size it, Delete takes it away.`;
  }

  /** @param {number} dx of the stage, as is `dy`: to the right is to the right whatever way the film is turned */
  nudge(id, dx, dy, { resizes, isFine }) {
    if (this.regions.isFixed) return;
    const { kind, points } = this.regions.find(id);
    const [x, y] = this.#onFilm(dx, dy, isFine ? 1 : Math.max(1, Math.round(8 / this.view.scale)));
    const end = kind === "length" ? 1 : this.#lowerRight(points);
    const corner = handlesOf(kind, points)[end];
    const next = resizes ? pulled(kind, points, end, [corner[0] + x, corner[1] + y], this.view.film) : moved(points, x, y, this.view.film);
    this.regions.change(id, { points: next }, `${id} ${resizes ? "sized" : "moved"}`);
    this.viewer.toolbar.tell(this.naming.where(this.regions.find(id)));
  }

  remove(id) {
    const region = this.regions.find(id);
    if (!region || this.regions.isFixed) return "";
    const name = this.naming.long(region);
    this.regions.remove(id);
    return `${name} deleted; undo brings it back`;
  }

  leave() {
    this.regions.select(null);
    this.viewer.stage.focus();
  }

  /** A line was pressed, or one of its handles: it follows the pointer until that is let go. */
  grab(event, id, handle) {
    const tool = this.viewer.gestures.tool;
    if (event.button !== 0 || this.kinds.includes(tool)) return;
    event.stopPropagation();
    this.regions.select(id);
    if (this.regions.isFixed) return;
    const region = this.regions.find(id);
    const from = this.#filmAt(event);
    const shape = (point) => (handle === null
      ? moved(region.points, point[0] - from[0], point[1] - from[1], this.view.film)
      : pulled(region.kind, region.points, handle, point, this.view.film));
    follow(this.layer.svg, event, {
      drag: (one) => this.regions.show({ ...region, points: shape(this.#filmAt(one)) }),
      release: () => this.#settle(region),
      cancel: () => this.regions.show(null),
    });
  }

  // Private

  #connect() {
    const { viewer, regions } = this;
    const { signal } = this.#ends;
    regions.watch(() => { this.layer.draw(); this.list.draw(); viewer.draw(); });
    viewer.addLayer(this);
    for (const kind of this.kinds) {
      viewer.addTool(kind, new Pen(kind, this.view, regions, (region) => this.#drawn(region)));
      viewer.addAction(kind, () => this.take(kind));
    }
    viewer.addAction("undo_region", () => (regions.undo() ? "Undone" : "Nothing to undo"));
    viewer.addAction("redo", () => (regions.redo() ? "Drawn again" : "Nothing to draw again"));
    viewer.addAction("region_delete", () => this.remove(regions.selected));
    viewer.root.addEventListener("keydown", (event) => this.#press(event), { signal });
    viewer.root.addEventListener("click", (event) => this.#click(event), { signal, capture: true });
  }

  #press({ key, target }) {
    const { stage } = this.viewer;
    if (key === "Escape" && this.kinds.includes(this.viewer.gestures.tool)) this.viewer.take("pan");
    else if (key === "Escape" && target === stage) this.regions.select(null);
    else if (key === "Delete" && target === stage) this.viewer.toolbar.tell(this.remove(this.regions.selected));
  }

  /** A mouse that presses a tool again puts it down. Keys click without one: they place something. */
  #click(event) {
    const { tool } = this.viewer.gestures;
    if (!event.detail || !this.kinds.includes(tool) || event.target.closest("[data-do]")?.dataset.do !== tool) return;
    event.stopImmediatePropagation();
    this.viewer.take("pan");
  }

  #drawn(region) {
    if (region) this.#keep(region);
    else this.regions.select(null);
  }

  #keep(region) {
    this.regions.add(region);
    this.viewer.take("pan");
    this.viewer.toolbar.tell(this.naming.long(region));
  }

  #settle(region) {
    const { draft } = this.regions;
    if (draft && isDrawn(draft.kind, draft.points, 1)) this.regions.change(region.id, { points: draft.points });
    else this.regions.show(null);
  }

  #filmAt(event) {
    const [left, top] = corner(this.viewer.stage);
    return this.view.toFilm(event.clientX - left, event.clientY - top);
  }

  /** A step on the stage as one on the film, of so many of its pixels. */
  #onFilm(dx, dy, pixels) {
    const [[x0, y0], [x1, y1]] = [this.view.toFilm(0, 0), this.view.toFilm(dx, dy)];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    return [Math.round(((x1 - x0) / length) * pixels), Math.round(((y1 - y0) / length) * pixels)];
  }

  /** The handle that lies right and below on the stage. */
  #lowerRight(points) {
    const sums = handlesOf("box", points).map((point) => this.view.toStage(...point)).map(([x, y]) => x + y);
    return sums.indexOf(Math.max(...sums));
  }

  /** The part of the film that is to be seen. */
  #seen() {
    const { width, height } = this.view.stage;
    const { left, top, right, bottom } = boundsOf([[0, 0], [width, 0], [width, height], [0, height]].map((corner) => this.view.toFilm(...corner)));
    const { film } = this.view;
    return { left: Math.max(left, 0), top: Math.max(top, 0), right: Math.min(right, film.width), bottom: Math.min(bottom, film.height) };
  }
}

/** The findings that a region may be given, where the page names them. @returns {Map<string, string>} */
function terms() {
  const named = document.getElementById("terms");
  return new Map(named ? JSON.parse(named.textContent).map(({ code, name }) => [code, name]) : []);
}

function follow(svg, { pointerId }, { drag, release, cancel }) {
  const ended = new AbortController();
  const on = (kind, act) => svg.addEventListener(kind, (event) => { if (event.pointerId === pointerId) act(event); }, { signal: ended.signal });
  svg.setPointerCapture(pointerId);
  on("pointermove", (event) => { event.stopPropagation(); drag(event); });
  on("pointerup", (event) => { event.stopPropagation(); ended.abort(); release(); });
  on("pointercancel", () => { ended.abort(); cancel(); });
}
