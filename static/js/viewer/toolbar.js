/** What the viewer shows of itself: pressed buttons, tools that are not to be had yet, zoom, window, and whether the view was changed. */

export class Toolbar {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  // Actions

  press(action, isOn) {
    this.root.querySelector(`[data-do="${action}"]`)?.setAttribute("aria-pressed", String(isOn));
  }

  /** @param {"film" | "heatmap"} thing */
  offer(thing, isThere) {
    for (const tool of this.root.querySelectorAll(`[data-needs-${thing}]`)) tool.disabled = !isThere;
  }

  /** @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels @param {number} ratio */
  read(view, levels, ratio) {
    this.#write("zoom", `${Math.round(view.scale * ratio * 100)} %`);
    this.#write("levels", String(levels));
    const changes = [[!view.isFitted, "zoomed or moved"], [levels.isWindowChanged, "window"], [levels.inverted, "inverted"]];
    const changed = changes.filter(([is]) => is).map(([, word]) => word);
    this.#write("changed", changed.length ? `View changed: ${changed.join(", ")}` : "");
  }

  say(words) {
    this.#write("say", words);
  }

  // Private

  #write(name, words) {
    const element = this.root.querySelector(`[data-${name}]`);
    if (element.textContent !== words) element.textContent = words;
  }
}
