/** The regions of the film on the screen as a list: what each is, which finding it shows, and a way to remove it. */

const KINDS = { box: "Box", outline: "Outline", length: "Length" };

export class RegionList {
  // Lifecycle

  /** @param {HTMLElement} root @param {any} viewer whose `regions` they are; none where no film can be drawn on */
  constructor(root, viewer) {
    this.part = root.querySelector("[data-regions]");
    this.template = root.querySelector("[data-region]");
    this.viewer = viewer;
    this.regions = viewer?.regions;
    this.regions?.watch?.(() => this.show());
    this.show();
  }

  // Actions

  show() {
    const own = this.regions?.own ?? [];
    this.part.hidden = !own.length;
    const list = this.part.querySelector("ol");
    // A list that is being chosen from must not be replaced under the hand.
    const key = JSON.stringify(own.map(({ id, kind, points, finding }) => [id, kind, points, finding]));
    if (key !== this.key) list.replaceChildren(...own.map((region) => this.#item(region)));
    this.key = key;
    for (const item of list.children) item.toggleAttribute("data-selected", item.dataset.id === this.regions?.selected);
  }

  // Private

  #item(region) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    item.dataset.id = region.id;
    const name = item.querySelector("[data-select]");
    name.textContent = this.#words(region);
    name.addEventListener("click", () => this.regions.select(region.id));
    const choice = item.querySelector("select");
    choice.value = region.finding;
    choice.hidden = region.kind === "length";
    choice.setAttribute("aria-label", `Finding in ${name.textContent}`);
    choice.addEventListener("change", () => this.regions.change(region.id, { finding: choice.value }));
    const remove = item.querySelector("[data-remove]");
    remove.setAttribute("aria-label", `Remove ${name.textContent}`);
    remove.addEventListener("click", () => { this.regions.remove(region.id); this.viewer.stage.focus({ preventScroll: true }); });
    return item;
  }

  #words(region) {
    if (region.kind === "length") return `${KINDS.length} ${this.viewer.naming?.short?.(region) ?? ""}`.trim();
    return `${KINDS[region.kind]} ${this.regions.own.findIndex(({ id }) => id === region.id) + 1}`;
  }
}
