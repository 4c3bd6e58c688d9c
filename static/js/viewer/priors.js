/**
 * Two-up (rule D7): beside the current film an earlier one of the same patient, in a frame of its own that says PRIOR. The list is
 * asked for at each opening, so that a film that was withdrawn meanwhile is gone. Both films zoom, move and window together, each
 * relative to its own fit and its own window, until they are unlocked.
 */

import { Pane } from "./pane.js";
import { place, placementOf, takeWindow, windowOf } from "./sync.js";

export class Priors {
  isLocked = true;
  /** @type {Pane | null} */
  pane = null;
  /** @type {HTMLElement | null} */
  #frame = null;
  #isAsking = false;
  #ends = new AbortController();

  // Lifecycle

  /** @param {import("../viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.button = viewer.root.querySelector("[data-priors-url]");
    viewer.addLayer(this);
    viewer.addAction("compare", () => this.toggle());
  }

  destroy() {
    this.#ends.abort();
    this.close();
  }

  // Actions

  toggle() {
    if (!this.#frame) return this.open();
    this.close();
    return "Prior film closed";
  }

  /** @returns {string} what is to be said at once */
  open() {
    if (!this.button || this.#isAsking) return "";
    if (this.button.dataset.nothing) return this.button.dataset.nothing;
    this.#load(this.button.dataset.priorsUrl);
    return "Loading the prior films";
  }

  close() {
    if (!this.#frame) return;
    const hadFocus = this.#frame.contains(document.activeElement);
    this.pane.destroy();
    this.pane = null;
    this.#frame.remove();
    this.current.remove();
    this.#frame = null;
    delete this.viewer.root.dataset.comparing;
    this.viewer.toolbar.press("compare", false);
    if (hadFocus) this.viewer.stage.focus();
  }

  /** Show the prior that is chosen in the list. */
  choose() {
    const { words, facts, side } = this.list.selectedOptions[0].dataset;
    this.pane?.destroy();
    for (const [name, said] of Object.entries({ words, facts, side })) this.#write(name, said);
    this.stage.setAttribute("aria-label", `Prior film: ${words}. Plus and minus zoom, arrow keys move.`);
    this.pane = new Pane(this.#frame, this.list.selectedOptions[0].dataset, {
      changed: () => this.viewer.draw(), moved: () => this.lead(), say: (said) => this.#write("say", said),
    });
  }

  lock() {
    this.isLocked = !this.isLocked;
    this.#showLock();
    this.viewer.draw();
  }

  /** The prior was moved: while they are locked, the current film goes with it. */
  lead() {
    if (!this.isLocked || !this.viewer.film) return;
    place(this.viewer.view, placementOf(this.pane.view));
    takeWindow(this.viewer.levels, windowOf(this.pane.levels));
    this.viewer.draw();
  }

  /** The current film was painted: while they are locked, the prior goes with it. */
  place(view, levels) {
    if (!this.pane || !this.isLocked) return;
    place(this.pane.view, placementOf(view));
    takeWindow(this.pane.levels, windowOf(levels));
    this.pane.draw();
  }

  // Private

  async #load(url) {
    const { toolbar } = this.viewer;
    this.#isAsking = true;
    try {
      const part = await asked(url, this.#ends.signal);
      const isThere = part.matches("[data-prior]");
      toolbar.tell(isThere ? "Prior film beside the current one" : part.textContent);
      if (isThere) this.#show(part);
    } catch {
      if (!this.#ends.signal.aborted) toolbar.tell("The prior films could not be loaded. Try again.");
    } finally {
      this.#isAsking = false;
    }
  }

  #show(frame) {
    const { root, stage } = this.viewer;
    this.#frame = frame;
    this.stage = frame.querySelector("[data-stage]");
    this.list = frame.querySelector("[data-prior-choice]");
    this.current = Object.assign(document.createElement("span"), { className: "badge prior__current", textContent: frame.dataset.currentWords });
    frame.querySelector("[data-prior-lock]").addEventListener("click", () => this.lock());
    this.list.addEventListener("change", () => this.choose());
    stage.after(frame);
    stage.querySelector(".viewer__badges").prepend(this.current);
    root.dataset.comparing = frame.dataset.currentSide;
    this.viewer.toolbar.press("compare", true);
    this.#showLock();
    this.choose();
  }

  #showLock() { this.#frame.querySelector("[data-prior-lock]").setAttribute("aria-pressed", String(this.isLocked)); }

  #write(name, words) { this.#frame.querySelector(`[data-prior-${name}]`).textContent = words; }
}

async function asked(url, signal) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal });
  if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  return template.content.firstElementChild;
}
