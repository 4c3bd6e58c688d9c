/**
 * Regions as a layer over the film. Their lines lie in pixels of the film under the film's own transform, so nothing can part them;
 * handles and words stand on the stage beside them, as large as ever and never mirrored.
 */

import { boundsOf, cornersOf, handlesOf } from "./shapes.js";

const SVG = "http://www.w3.org/2000/svg";
const LINE_HEIGHT = 16;

export class RegionLayer {
  /** @type {Map<string, { region: object, group: SVGGElement }>} */
  #drawn = new Map();

  // Lifecycle

  /**
   * @param {HTMLElement} stage
   * @param {import("./regions.js").Regions} regions
   * @param {import("./naming.js").Naming} naming
   * @param {(event: PointerEvent, id: string, handle: number | null) => void} grab a line, or one of its handles, was pressed
   */
  constructor(stage, regions, naming, grab) {
    this.regions = regions;
    this.naming = naming;
    this.svg = made("svg", { class: "drawing", "aria-hidden": "true" });
    this.lines = this.svg.appendChild(made("g", { class: "drawing__lines" }));
    this.marks = this.svg.appendChild(made("g", {}));
    this.svg.addEventListener("pointerdown", (event) => {
      const { region, handle } = event.target.dataset;
      if (region) grab(event, region, handle === undefined ? null : Number(handle));
    });
    stage.append(this.svg);
  }

  // Actions

  /** There are other regions to paint. */
  draw() {
    const { shown, selected, draft } = this.regions;
    for (const [id, { group }] of this.#drawn) if (!shown.some((region) => region.id === id)) this.#drop(id, group);
    for (const region of shown) this.#line(region).classList.toggle("drawing__region--on", region.id === (draft?.id ?? selected));
    this.marks.replaceChildren(...shown.map((region) => this.#words(region)), ...this.#handles());
  }

  /** @param {import("./view.js").View} view */
  place(view) {
    this.lines.style.transform = view.css();
    for (const mark of this.marks.children) {
      const [x, y] = mark.at(view);
      mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    }
  }

  destroy() { this.svg.remove(); }

  // Private

  #line(region) {
    const known = this.#drawn.get(region.id);
    if (known?.region === region) return known.group;
    const group = known?.group ?? this.lines.appendChild(lineOf(region.id));
    const path = `M${region.points.map((point) => point.join(" ")).join("L")}`;
    const closed = region.kind === "box" ? `M${cornersOf(boundsOf(region.points)).map((point) => point.join(" ")).join("L")}Z` : `${path}Z`;
    for (const line of group.children) line.setAttribute("d", region.kind === "length" ? path : closed);
    this.#drawn.set(region.id, { region, group });
    return group;
  }

  #drop(id, group) {
    group.remove();
    this.#drawn.delete(id);
  }

  #words(region) {
    const text = made("text", { class: region.id === this.regions.selected ? "drawing__words drawing__words--on" : "drawing__words" });
    text.textContent = this.naming.short(region);
    let width = null;
    text.at = (view) => beside(region, view, width ??= text.getComputedTextLength());
    return text;
  }

  #handles() {
    const region = this.regions.shown.find(({ id }) => id === this.regions.selected);
    if (!region) return [];
    return handlesOf(region.kind, region.points).map((point, handle) => {
      const group = made("g", { class: "drawing__handle" });
      const reach = made("circle", { r: "12", class: "drawing__reach" });
      Object.assign(reach.dataset, { region: region.id, handle });
      group.append(made("circle", { r: "4.5" }), reach);
      group.at = (view) => view.toStage(...point);
      return group;
    });
  }
}

// Shared with other layers of lines

export function made(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Where the words of a region stand: over its upper left corner as it is turned now, but whole on the stage. */
export function beside({ kind, points }, view, width) {
  const corners = handlesOf(kind, points).map((point) => view.toStage(...point));
  const { left, top, right, bottom } = boundsOf(corners);
  const [x, y] = kind === "length" ? [(left + right) / 2 + 8, (top + bottom) / 2 - 8] : [left, top - 6];
  return [Math.max(Math.min(x, view.stage.width - width - 4), 4), Math.max(Math.min(y, view.stage.height - 4), LINE_HEIGHT)];
}

// Private

/** A dark edge, the line, and what a hand may take hold of. */
function lineOf(id) {
  const group = made("g", { class: "drawing__region" });
  for (const part of ["edge", "line", "grip"]) group.append(made("path", { class: `drawing__${part}`, "vector-effect": "non-scaling-stroke" }));
  group.lastChild.dataset.region = id;
  return group;
}
