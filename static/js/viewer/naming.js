/** What regions are called, for eyes beside their line and for ears in their list. */

import { boundsOf } from "./shapes.js";

const KINDS = { box: "box", outline: "outline", length: "length" };

export class Naming {
  // Lifecycle

  /** @param {import("./regions.js").Regions} regions @param {import("./lengths.js").Lengths} lengths */
  constructor(regions, lengths) {
    this.regions = regions;
    this.lengths = lengths;
  }

  // Actions

  /** Such as 'Region 2: box, consolidation'. */
  long(region) { return `Region ${this.#number(region)}: ${this.what(region)}`; }

  /** Such as '2: box, consolidation', for who sees that it is a region. */
  listed(region) { return `${this.#number(region)}: ${this.what(region)}`; }

  /** Beside the line: a length's length, else number and finding. */
  short(region) {
    if (region.kind === "length") return this.lengths.read(region.points);
    return [this.#number(region), this.#finding(region)].filter(Boolean).join(" ");
  }

  what(region) {
    const more = region.kind === "length" ? this.lengths.read(region.points) : this.#finding(region);
    return [KINDS[region.kind], more].filter(Boolean).join(", ");
  }

  /** Where it lies, for who moves it without seeing it. */
  where(region) {
    const { left, top, right, bottom } = boundsOf(region.points);
    const size = `${Math.round(right - left)} by ${Math.round(bottom - top)} pixels`;
    return `${this.long(region)}: ${size}, ${Math.round(left)} from the left edge, ${Math.round(top)} from the upper edge of the film`;
  }

  // Private

  #number(region) { return this.regions.shown.findIndex(({ id }) => id === region.id) + 1; }

  #finding({ finding }) { return finding ? inSentence(this.regions.terms.get(finding) ?? finding) : ""; }
}

/** 'Consolidation' → 'consolidation', and 'ET tube' stays. */
function inSentence(name) { return /^\p{Lu}\p{Ll}/u.test(name) ? name[0].toLowerCase() + name.slice(1) : name; }
