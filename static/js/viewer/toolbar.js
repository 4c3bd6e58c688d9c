/** What the viewer shows of itself: pressed buttons, tools that are not to be had yet, their keys, zoom and window. */

const PRESETS = ["sent", "auto", "lung", "mediastinum"];

export class Toolbar {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  // Actions

  /** Say each tool's key in its title. @param {import("./keys.js").KeyMap} keys */
  name(keys) {
    for (const tool of this.root.querySelectorAll("[data-do]")) {
      const key = keys[tool.dataset.do];
      if (!key) continue;
      tool.dataset.words ??= tool.title;
      tool.title = `${tool.dataset.words} (${key.length === 1 ? key.toUpperCase() : key})`;
      tool.setAttribute("aria-keyshortcuts", key === "+" ? "Plus" : key);
    }
  }

  press(action, isOn) {
    const tool = this.root.querySelector(`[data-do="${action}"]`);
    if (tool && tool.getAttribute("aria-pressed") !== String(isOn)) tool.setAttribute("aria-pressed", String(isOn));
  }

  /** Show, or put away, the tools for which a narrow screen has no room. */
  unfold() {
    const isOpen = this.root.toggleAttribute("data-more");
    this.root.querySelector("[data-do=more]").setAttribute("aria-expanded", String(isOpen));
  }

  /** @param {"film" | "heatmap"} thing */
  offer(thing, isThere) {
    for (const tool of this.root.querySelectorAll(`[data-needs-${thing}]`)) tool.disabled = !isThere;
  }

  /** @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels @param {number} ratio */
  read(view, levels, ratio) {
    this.#write("zoom", `${Math.round(view.scale * ratio * 100)} %`);
    this.#write("levels", String(levels));
    for (const preset of PRESETS) this.press(preset, levels.preset === preset);
  }

  /** What there is of the film. */
  say(words) { this.#write("say", words); }

  /** What an action did. */
  tell(words) { this.#write("told", words); }

  // Private

  #write(name, words) {
    const element = this.root.querySelector(`[data-${name}]`);
    if (element && element.textContent !== words) element.textContent = words;
  }
}
