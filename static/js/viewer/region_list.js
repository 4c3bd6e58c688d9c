/**
 * The regions of a film as a list below it, for who works with keys or listens: each a button, reached by Tab; arrows move the region,
 * Shift and arrows make it larger or smaller, Delete takes it away, Enter leads to its finding.
 */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @typedef {object} Hands
 * @property {(id: string, dx: number, dy: number, how: { resizes: boolean, isFine: boolean }) => void} nudge
 * @property {(id: string) => void} remove
 * @property {() => void} leave
 */

export class RegionList {
  // Lifecycle

  /**
   * @param {HTMLElement} root
   * @param {import("./regions.js").Regions} regions
   * @param {import("./naming.js").Naming} naming
   * @param {Hands} hands
   */
  constructor(root, regions, naming, hands) {
    this.regions = regions;
    this.naming = naming;
    this.hands = hands;
    this.strip = root.querySelector("[data-region-strip]");
    this.list = root.querySelector("[data-region-list]");
    this.edit = root.querySelector("[data-region-edit]");
    this.finding = root.querySelector("[data-region-finding]");
    this.tools = ["undo_region", "redo"].map((action) => root.querySelector(`[data-do="${action}"]`));
    this.#fill();
    this.#connect();
    this.draw();
  }

  // Actions

  draw() {
    const { own, selected, canUndo, canRedo } = this.regions;
    this.strip.dataset.empty = String(!own.length);
    this.#put(own.map((region) => this.#item(region)));
    const region = this.regions.find(selected);
    this.edit.hidden = !region || this.regions.isFixed;
    this.finding.closest("label").hidden = !region || this.regions.isFixed || region.kind === "length" || !this.regions.terms.size;
    this.finding.value = region?.finding ?? "";
    [canUndo, canRedo].forEach((can, i) => this.tools[i]?.setAttribute("aria-disabled", String(!can)));
  }

  focus(id) { this.#button(id)?.focus(); }

  // Private

  /** What stands where it should is left alone: a button that is put in anew, even the same one, loses the focus. */
  #put(items) {
    for (const item of [...this.list.children]) if (!items.includes(item)) item.remove();
    items.forEach((item, i) => { if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null); });
  }

  #item(region) {
    const item = this.#button(region.id)?.parentElement ?? made(region.id);
    const [button] = item.children;
    const words = this.naming.listed(region);
    if (button.lastChild.textContent !== words) button.lastChild.textContent = words;
    button.setAttribute("aria-pressed", String(region.id === this.regions.selected));
    return item;
  }

  #button(id) { return this.list.querySelector(`[data-region="${id}"]`); }

  #fill() {
    this.finding.append(new Option("none named", ""), ...[...this.regions.terms].map(([code, name]) => new Option(name, code)));
  }

  #connect() {
    this.list.addEventListener("focusin", (event) => this.regions.select(event.target.dataset.region));
    this.list.addEventListener("click", (event) => this.regions.select(event.target.closest("[data-region]")?.dataset.region ?? null));
    this.list.addEventListener("keydown", (event) => this.#press(event));
    this.finding.addEventListener("change", () => this.regions.change(this.regions.selected, { finding: this.finding.value }));
    this.finding.addEventListener("keydown", (event) => { if (event.key === "Escape") this.focus(this.regions.selected); });
  }

  #press(event) {
    const id = event.target.dataset.region;
    if (!id || !this.#acts(event, id)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @returns {boolean} whether the key meant the region */
  #acts({ key, shiftKey, ctrlKey, altKey, metaKey }, id) {
    if (altKey || metaKey) return false;
    if (ARROWS[key]) this.hands.nudge(id, ...ARROWS[key], { resizes: shiftKey, isFine: ctrlKey });
    else if (key === "Delete" || key === "Backspace") this.#remove(id);
    else if (key === "Enter") this.#name();
    else if (key === "Escape") this.hands.leave();
    else return false;
    return true;
  }

  #name() { if (!this.finding.closest("label").hidden) this.finding.focus(); }

  /** The next one has the focus then, the last one where there is no next, the film where there is none. */
  #remove(id) {
    const place = this.regions.own.findIndex((region) => region.id === id);
    this.hands.remove(id);
    const next = this.regions.own[place] ?? this.regions.own.at(-1);
    if (next) this.focus(next.id);
    else this.hands.leave();
  }
}

function made(id) {
  const [item, button, kind] = ["li", "button", "span"].map((name) => document.createElement(name));
  Object.assign(button, { type: "button", className: "regions__one" });
  button.dataset.region = id;
  Object.assign(kind, { className: "visually-hidden", textContent: "Region " });
  button.append(kind, "");
  button.append(document.createTextNode(""));
  item.append(button);
  return item;
}
