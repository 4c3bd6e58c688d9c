/** What is drawn on the films of the case, as lines of the read: where each is, which finding it shows, and a way to take it off. */

const KINDS = { box: "Box", outline: "Outline", length: "Length" };

export class Marks {
  // Lifecycle

  /** @param {HTMLElement} root @param {import("../viewer.js").Viewer | undefined} viewer on whose film they are drawn */
  constructor(root, viewer) {
    this.part = root.querySelector("[data-marks]");
    this.template = root.querySelector("[data-mark]");
    this.names = new Map([...root.querySelectorAll("[name=findings]")].map((one) => [one.value, one.closest("label").textContent.trim()]));
    this.viewer = viewer;
    this.regions = viewer?.regions;
    this.regions?.watch(() => this.show());
    this.show();
  }

  // Actions

  show() {
    const regions = this.regions?.get() ?? [];
    this.part.hidden = !regions.length;
    const key = JSON.stringify(regions.map(({ id, kind, finding, points }) => [id, kind, finding, kind === "length" && points]));
    const list = this.part.querySelector("ol");
    if (key !== this.key) list.replaceChildren(...regions.map((region, n) => this.#item(region, n)));
    this.key = key;
    for (const item of list.children) item.toggleAttribute("data-selected", item.dataset.id === this.regions.selected);
  }

  // Private

  #item(region, n) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    item.dataset.id = region.id;
    const [name, remove] = item.children;
    name.textContent = `${n + 1}  ${this.#words(region)}`;
    name.disabled = region.instance !== this.regions.instance;
    name.addEventListener("click", () => this.regions.select(region.id));
    remove.setAttribute("aria-label", `Remove region ${n + 1}`);
    remove.addEventListener("click", () => this.regions.remove(region.id));
    return item;
  }

  #words({ kind, finding, points, instance }) {
    const isHere = instance === this.regions.instance;
    const more = kind === "length" && isHere ? this.viewer.naming?.lengths.read(points) : this.names.get(finding) ?? finding;
    return [KINDS[kind], more, isHere ? "" : "on another film"].filter(Boolean).join(", ");
  }
}
