/** The page of one's own keys: a key is chosen by pressing it in its field; a key that two actions share is said at once. */

import { named } from "./keys.js";

const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Dead", "Process", "Unidentified"];
const FIXED = new Map([
  ...["1", "2", "3", "4", "5"].map((digit) => [digit, `${digit} is one of the five answers and stays that.`]),
  ...["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map((key) => [key, "Arrows move the film and stay that."]),
  ["?", "? opens the list of keys and stays that."], ["Space", "Space presses what has the focus and stays that."],
]);

class KeyMap {
  // Lifecycle

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.fields = [...form.querySelectorAll("[data-usual]")];
    for (const field of this.fields) {
      field.dataset.stored = field.value;
      field.addEventListener("keydown", (event) => this.press(field, event));
      field.addEventListener("input", () => this.check());
      field.addEventListener("focus", () => field.select());
    }
    form.addEventListener("submit", () => { this.isSent = true; });
    addEventListener("beforeunload", (event) => { if (this.isChanged && !this.isSent) event.preventDefault(); });
    this.check({ isQuiet: true });
  }

  // Actions

  /** Tab goes on, Escape takes back what was pressed here; all else becomes the key. */
  press(field, event) {
    const key = named(event);
    if (event.key === "Tab" || MODIFIERS.includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    const fixed = FIXED.get(key);
    if (!fixed) field.value = key === "Escape" ? field.dataset.stored : key;
    this.check();
    if (fixed) this.#say(field, fixed);
    field.select();
  }

  /** Every field whose key another has, too, says so. What the server said stands until something is pressed. */
  check({ isQuiet = false } = {}) {
    for (const field of this.fields) {
      const other = this.fields.find((one) => one !== field && one.value === field.value);
      if (!isQuiet || other) this.#say(field, other ? `${field.value} is the key of “${other.dataset.words}”, too.` : "");
      field.closest("li").toggleAttribute("data-changed", field.value !== field.dataset.stored);
    }
    this.form.querySelector("[data-save]").disabled = this.fields.some((field) => field.getAttribute("aria-invalid") === "true");
  }

  get isChanged() { return this.fields.some((field) => field.value !== field.dataset.stored); }

  // Private

  #say(field, words) {
    const error = field.closest("li").querySelector("[data-error]");
    if (error.textContent !== words) error.textContent = words;
    field.setAttribute("aria-invalid", String(Boolean(words)));
  }
}

const form = document.querySelector("[data-keymap]");
if (form) new KeyMap(form);
