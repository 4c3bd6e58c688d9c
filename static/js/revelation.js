/** The AI's answer after one's own read: the film stays, and the keys that lead to the next one lead on. */

import { listen } from "./reading/keys.js";

// Enter that was meant for the film before this page does nothing (rule D11).
const FIRST_MS = 1000;

class Revelation {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.shownAt = performance.now();
    this.link = root.querySelector("[data-next]");
    listen(JSON.parse(document.getElementById("reading-keys").textContent), (action) => this.do(action));
    root.querySelector("[data-stage]")?.focus({ preventScroll: true });
  }

  // Actions

  /** @param {string} action */
  do(action) {
    const isMeant = action === "next" || (action === "submit" && performance.now() - this.shownAt > FIRST_MS);
    if (isMeant) location.assign(this.link.href);
  }
}

const root = document.querySelector("[data-revelation]");
if (root) new Revelation(root);
