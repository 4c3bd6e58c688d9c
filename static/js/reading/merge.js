/**
 * Two windows have changed the same draft: a dialog shows both versions side by side, and the reader chooses field by field. Enter goes
 * on, Escape leaves it for later; neither version is lost meanwhile.
 */

import { differences } from "./opinion.js";

// Whoever was about to press Enter did not mean this dialog.
const FIRST_MS = 1000;
const NAMES = { answer: "Answer", confidence: "Confidence", findings: "Findings", reason: "Reason", comment: "Comment", regions: "Regions", why: "Reason for the verdict" };
const SIDES = { mine: "this window", other: "the other window", both: "both" };

export class Merge {
  // Lifecycle

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.rows = dialog.querySelector("[data-rows]");
    this.form.addEventListener("submit", (event) => { if (performance.now() - this.opened < FIRST_MS) event.preventDefault(); });
    dialog.addEventListener("close", () => this.#done());
  }

  // Actions

  /**
   * @param {object} versions
   * @param {import("./opinion.js").Opinion} versions.mine
   * @param {import("./opinion.js").Opinion} versions.other
   * @param {import("./opinion.js").Opinion} versions.base what both began with
   * @param {string} versions.at when the other was saved, in words
   * @param {(field: string, value: any) => string} words what a value of a field is called
   * @returns {Promise<import("./opinion.js").Opinion | null>} null: decided later
   */
  ask({ mine, other, base, at }, words) {
    this.dialog.querySelector("[data-at]").textContent = at;
    this.rows.replaceChildren(...differences(mine, other).map((field) => row(field, { mine, other, base }, words)));
    this.versions = { mine, other };
    this.dialog.returnValue = "";
    if (!this.dialog.open) this.dialog.showModal();
    this.opened = performance.now();
    this.rows.querySelector("input:checked")?.focus();
    return new Promise((resolve) => { this.resolve = resolve; });
  }

  close() {
    if (this.dialog.open) this.dialog.close("");
  }

  // Private

  #done() {
    this.resolve?.(this.dialog.returnValue === "merge" ? this.#merged() : null);
    this.resolve = null;
  }

  #merged() {
    const { mine, other } = this.versions;
    const merged = structuredClone(mine);
    for (const { name, value } of this.rows.querySelectorAll("input:checked")) {
      const field = name.slice("merge-".length);
      merged[field] = value === "both" ? united(mine[field], other[field]) : structuredClone({ mine, other }[value][field]);
    }
    return merged;
  }
}

// Private

/** What this window has not touched is taken from the other one, unless the reader says otherwise. */
function row(field, { mine, other, base }, words) {
  const isMine = differences(mine, base).includes(field);
  const set = document.createElement("fieldset");
  set.className = "merge__row";
  set.append(Object.assign(document.createElement("legend"), { textContent: NAMES[field] }));
  const sides = field === "regions" && mine.regions.length && other.regions.length ? ["mine", "other", "both"] : ["mine", "other"];
  for (const side of sides) {
    const value = side === "both" ? united(mine.regions, other.regions) : { mine, other }[side][field];
    set.append(choice(field, side, words(field, value) || "–", side === (isMine ? "mine" : "other")));
  }
  return set;
}

function choice(field, side, value, isChosen) {
  const label = document.createElement("label");
  label.className = "merge__choice";
  const input = Object.assign(document.createElement("input"), { type: "radio", name: `merge-${field}`, value: side, checked: isChosen });
  const said = document.createElement("span");
  said.append(Object.assign(document.createElement("small"), { textContent: SIDES[side] }), Object.assign(document.createElement("b"), { textContent: value }));
  label.append(input, said);
  return label;
}

/** Regions of both; the same one, changed in both windows, as it is in this. */
function united(mine, other) {
  return [...mine, ...other.filter(({ id }) => !mine.some((one) => one.id === id))];
}
