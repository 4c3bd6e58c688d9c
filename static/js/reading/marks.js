/** What is drawn on the other films of the case, as lines of the read; what is on the film that is shown stands below that film. */

const KINDS = { box: "Box", outline: "Outline", length: "Length" };

export class Marks {
  // Lifecycle

  /** @param {HTMLElement} root @param {import("../viewer.js").Viewer | undefined} viewer on whose film they are drawn */
  constructor(root, viewer) {
    this.part = root.querySelector("[data-marks]");
    this.template = root.querySelector("[data-mark]");
    this.names = new Map([...root.querySelectorAll("[name=findings]")].map((one) => [one.value, one.closest("label").textContent.trim()]));
    this.regions = viewer?.regions;
    this.regions?.watch(() => this.show());
    this.show();
  }

  // Actions

  show() {
    const elsewhere = (this.regions?.get() ?? []).filter(({ instance }) => instance !== this.regions.instance);
    this.part.hidden = !elsewhere.length;
    const key = JSON.stringify(elsewhere.map(({ id, kind, finding }) => [id, kind, finding]));
    if (key !== this.key) this.part.querySelector("ol").replaceChildren(...elsewhere.map((region) => this.#item(region)));
    this.key = key;
  }

  // Private

  #item(region) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    const words = [KINDS[region.kind], this.names.get(region.finding) ?? region.finding].filter(Boolean).join(", ");
    const [name, remove] = item.children;
    name.textContent = words;
    remove.setAttribute("aria-label", `Remove from the other film: ${words}`);
    remove.addEventListener("click", () => this.regions.remove(region.id));
    return item;
  }
}
