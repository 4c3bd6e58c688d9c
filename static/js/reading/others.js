/**
 * What the readers of a disputed case drew, as layers over the film that an adjudicator shows and hides. Each reader has a letter, a line
 * style and a colour; none of them can be taken hold of.
 */

import { beside, made } from "../viewer/region_layer.js";
import { boundsOf, cornersOf } from "../viewer/shapes.js";

export class Others {
  // Lifecycle

  /** @param {HTMLElement} root the case @param {import("../viewer.js").Viewer | undefined} viewer on whose film they are drawn */
  constructor(root, viewer) {
    const stored = root.querySelector("#layers");
    if (!stored || !viewer) return;
    this.toggles = [...root.querySelectorAll("[data-layer]")];
    this.svg = made("svg", { class: "drawing", "aria-hidden": "true" });
    this.lines = this.svg.appendChild(made("g", { class: "drawing__lines" }));
    this.words = this.svg.appendChild(made("g", {}));
    for (const layer of JSON.parse(stored.textContent)) this.#draw(layer, viewer.regions.instance);
    for (const toggle of this.toggles) toggle.addEventListener("change", () => this.show());
    // Under what the adjudicator draws.
    viewer.stage.querySelector(".drawing").before(this.svg);
    this.show();
    viewer.addLayer(this);
  }

  destroy() { this.svg.remove(); }

  // Actions

  show() {
    for (const { checked, dataset } of this.toggles) {
      for (const mark of this.svg.querySelectorAll(`[data-of="${dataset.layer}"]`)) mark.classList.toggle("other--off", !checked);
    }
  }

  /** @param {import("../viewer/view.js").View} view */
  place(view) {
    this.lines.style.transform = view.css();
    for (const text of this.words.children) {
      const [x, y] = beside(text.region, view, text.getComputedTextLength());
      text.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    }
  }

  // Private

  #draw({ letter, regions }, instance) {
    const here = regions.filter((region) => region.instance === instance);
    for (const region of here) this.#region(region, letter);
    const elsewhere = this.toggles.find(({ dataset }) => dataset.layer === letter)?.closest("label").querySelector("[data-elsewhere]");
    if (elsewhere && here.length < regions.length) elsewhere.textContent = here.length ? `, ${here.length} on this film` : " on another film";
  }

  #region(region, letter) {
    const group = made("g", { class: `other other--${letter.toLowerCase()}` });
    for (const part of ["edge", "line"]) group.append(made("path", { class: `other__${part}`, d: pathOf(region), "vector-effect": "non-scaling-stroke" }));
    const text = made("text", { class: `drawing__words other__words other--${letter.toLowerCase()}` });
    text.textContent = [letter, region.name].filter(Boolean).join(": ");
    text.region = region;
    for (const [mark, layer] of [[group, this.lines], [text, this.words]]) {
      mark.dataset.of = letter;
      layer.append(mark);
    }
  }
}

// Private

function pathOf({ kind, points }) {
  const corners = kind === "box" ? cornersOf(boundsOf(points)) : points;
  const path = `M${corners.map((point) => point.join(" ")).join("L")}`;
  return kind === "length" ? path : `${path}Z`;
}
