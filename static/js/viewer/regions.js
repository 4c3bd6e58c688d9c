/**
 * What is drawn on the films of a case: boxes, outlines and lengths in pixels of their source film, one of them selected, every step
 * undone and done again. Whoever stores them listens for "regions:change" on the viewer.
 * @typedef {import("./shapes.js").Point} Point
 * @typedef {object} Region as a draft stores it
 * @property {string} id
 * @property {string} instance
 * @property {import("./shapes.js").Kind} kind
 * @property {Point[]} points
 * @property {string} finding code of a finding term, or empty
 */

import { History } from "./history.js";

export class Regions {
  /** @type {string | null} id of the region that is selected */
  selected = null;
  /** @type {Region | null} one that is being drawn, or moved: not stored yet */
  draft = null;
  /** @type {History<Region[]>} */
  #history = new History([]);
  #watchers = [];

  // Lifecycle

  /**
   * @param {HTMLElement} root
   * @param {import("./shapes.js").Size} film
   * @param {Map<string, string>} terms names of the findings that a region may be given, by code
   */
  constructor(root, film, terms) {
    this.root = root;
    this.film = film;
    this.terms = terms;
    this.instance = root.dataset.instance;
    // Another reader has the case: what was drawn before is shown, and stays as it is.
    this.isFixed = root.dataset.regionsFixed !== undefined;
  }

  get canUndo() { return this.#history.canUndo; }
  get canRedo() { return this.#history.canRedo; }

  /** Those of the film that is shown. @returns {Region[]} */
  get own() { return this.#history.present.filter((region) => region.instance === this.instance); }

  /** As they are to be painted now: the draft in the place of what it changes. @returns {Region[]} */
  get shown() {
    if (!this.draft) return this.own;
    const rest = this.own.map((region) => (region.id === this.draft.id ? this.draft : region));
    return rest.includes(this.draft) ? rest : [...rest, this.draft];
  }

  // Actions

  /** Those of all films of the case. @returns {Region[]} */
  get() { return structuredClone(this.#history.present); }

  /** Begin with these, as they were stored: nothing to undo, and nothing that would have to be stored again. @param {Region[]} regions */
  set(regions) {
    this.#history = new History(structuredClone(regions));
    this.draft = null;
    if (!this.find(this.selected)) this.selected = null;
    this.#tell();
  }

  /** @param {() => void} act called whenever there is something else to paint or to list */
  watch(act) { this.#watchers.push(act); }

  /** @param {string | null} id */
  find(id) { return this.own.find((region) => region.id === id) ?? null; }

  select(id) {
    if (this.selected === id) return;
    this.selected = id;
    this.#tell();
  }

  /** @param {import("./shapes.js").Kind} kind @param {Point[]} points @returns {Region} not stored before it is added */
  begun(kind, points) { return { id: newId(), instance: this.instance, kind, points, finding: "" }; }

  /** @param {Region | null} region paint this while the pointer is down */
  show(region) {
    this.draft = this.isFixed ? null : region;
    this.#tell();
  }

  /** @param {Region} region */
  add(region) {
    this.selected = region.id;
    this.#commit([...this.#history.present, region]);
  }

  /** @param {string} id @param {Partial<Region>} what @param {string} [mark] of steps that are undone as one */
  change(id, what, mark) {
    this.#commit(this.#history.present.map((region) => (region.id === id ? { ...region, ...what } : region)), mark);
  }

  remove(id) {
    this.#commit(this.#history.present.filter((region) => region.id !== id));
  }

  /** @returns {boolean} whether there was anything to undo */
  undo() { return this.#stepped(this.#history.undo()); }

  /** @returns {boolean} whether there was anything to draw again */
  redo() { return this.#stepped(this.#history.redo()); }

  // Private

  #commit(regions, mark) {
    if (this.isFixed) return;
    this.#history.commit(regions, mark);
    this.#changed();
  }

  #stepped(isDone) {
    if (isDone) this.#changed();
    return isDone;
  }

  #changed() {
    this.draft = null;
    if (!this.find(this.selected)) this.selected = null;
    this.#tell();
    this.root.dispatchEvent(new CustomEvent("regions:change", { bubbles: true, detail: { regions: this.get() } }));
  }

  #tell() { for (const act of this.#watchers) act(); }
}

/** `crypto.randomUUID` is only there on https and localhost. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
