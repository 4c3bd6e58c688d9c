/**
 * The heatmap as a layer over the film: off at first view (rule A4), under the film's own transform. The answer may come after the
 * page: the fragment that brings it names the picture in `data-heatmap-url`.
 */

export class Heatmap {
  isOn = false;
  #url = "";
  /** @type {HTMLImageElement | null} */
  #layer = null;

  // Lifecycle

  /**
   * @param {HTMLElement} stage
   * @param {import("./view.js").View} view
   * @param {(words?: string) => void} changed called after each change, with words where there is something to say
   */
  constructor(stage, view, changed) {
    this.stage = stage;
    this.view = view;
    this.changed = changed;
  }

  get exists() { return this.#layer !== null; }

  destroy() { this.#drop(); }

  // Actions

  /** Take the picture that the page names now; another one begins switched off. */
  adopt() {
    const url = document.querySelector("[data-heatmap-url]")?.dataset.heatmapUrl ?? "";
    if (url === this.#url) return;
    this.#url = url;
    this.#drop();
    if (url) this.#add(url);
    this.changed();
  }

  toggle() {
    if (!this.#layer) return;
    this.isOn = !this.isOn;
    this.#layer.hidden = !this.isOn;
    this.changed();
  }

  /** @param {number} share from 0, which cannot be seen, to 1 */
  fade(share) {
    this.opacity = share;
    if (this.#layer) this.#layer.style.opacity = String(share);
  }

  place() {
    if (this.#layer) this.#layer.style.transform = this.view.css();
  }

  // Private

  #add(url) {
    const layer = new Image(this.view.film.width, this.view.film.height);
    layer.alt = "";
    layer.className = "viewer__layer viewer__heatmap";
    layer.hidden = true;
    layer.addEventListener("error", () => { this.#drop(); this.changed("The heatmap could not be loaded. Reload the page to try again."); });
    layer.src = url;
    this.#layer = layer;
    this.fade(this.opacity ?? 1);
    this.place();
    this.stage.append(layer);
  }

  #drop() {
    this.#layer?.remove();
    this.#layer = null;
    this.isOn = false;
  }
}
