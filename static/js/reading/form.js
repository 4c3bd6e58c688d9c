/** The answers of a case as their form holds them. */

const CANNOT = "cannot";
const MISSING = "file";

export class Form {
  // Lifecycle

  /** @param {HTMLFormElement} form @param {() => void} changed */
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    for (const name of ["input", "change"]) form.addEventListener(name, () => this.#react());
    this.#react({ isQuiet: true });
  }

  // Actions

  get answer() { return this.#chosen("answer"); }
  get isDisabled() { return this.form.querySelector("fieldset").disabled; }

  /** @returns {Omit<import("./opinion.js").Opinion, "regions" | "view" | "active_ms">} */
  read() {
    const findings = [...this.form.querySelectorAll("[name=findings]:checked")].map(({ value }) => value);
    const reason = this.answer === CANNOT ? this.#chosen("reason") : "";
    return { answer: this.answer, confidence: Number(this.#chosen("confidence")) || null, findings, reason, comment: this.form.comment.value, ...this.#why };
  }

  /** @param {import("./opinion.js").Opinion} opinion */
  show({ answer, confidence, findings, reason, comment, why }) {
    for (const [name, value] of [["answer", answer], ["confidence", String(confidence ?? "")], ["reason", reason]]) {
      for (const one of this.#all(name)) one.checked = one.value === value;
    }
    for (const one of this.#all("findings")) one.checked = findings.includes(one.value);
    if (this.form.comment.value !== comment) this.form.comment.value = comment;
    if (this.form.why && this.form.why.value !== why) this.form.why.value = why;
    this.#react({ isQuiet: true });
  }

  /** By its digit, as it stands beside it. @param {string} digit @returns {string} what was chosen, in words */
  choose(digit) {
    const one = this.#all("answer").find((input) => input.dataset.digit === digit);
    if (!one || this.isDisabled) return "";
    one.checked = true;
    this.#react();
    if (one.value === CANNOT && !this.#chosen("reason")) this.#all("reason")[0].focus();
    return one.closest("label").querySelector("[data-words]").textContent;
  }

  /** The same once more takes it off. @param {string} value */
  trust(value) {
    if (this.isDisabled) return;
    for (const one of this.#all("confidence")) one.checked = one.value === value && !one.checked;
    this.#react();
  }

  /** @param {"comment" | "findings"} name */
  focus(name) {
    const target = name === "comment" ? this.form.comment : (this.#all(name).find((one) => one.checked) ?? this.#all(name)[0]);
    target?.focus();
  }

  /** What is missing before this can be submitted, and the field to go to. @returns {{ words: string, field: HTMLElement } | null} */
  get lack() {
    if (!this.answer) return { words: this.form.dataset.noAnswer, field: this.#all("answer")[0] };
    if (this.answer === CANNOT && !this.#chosen("reason")) return { words: this.form.dataset.noReason, field: this.#all("reason")[0] };
    const { why } = this.form;
    if (why && !why.value.trim()) return { words: why.dataset.noWhy, field: why };
    return null;
  }

  /** @param {boolean} isBusy while a read is on its way */
  busy(isBusy) {
    this.form.setAttribute("aria-busy", String(isBusy));
    this.form.querySelector("[data-submit]").disabled = isBusy || this.isDisabled;
    // What would be typed now would go to the case that is about to leave.
    for (const field of [this.form.comment, this.form.why]) if (field) field.readOnly = isBusy;
  }

  // Private

  /** An adjudicator says why; a reader's form has no such field. */
  get #why() { return this.form.why ? { why: this.form.why.value } : {}; }
  #all(name) { return [...this.form.querySelectorAll(`[name=${name}]`)]; }
  #chosen(name) { return this.form.querySelector(`[name=${name}]:checked`)?.value ?? ""; }

  #react({ isQuiet = false } = {}) {
    const isCannot = this.answer === CANNOT;
    this.form.querySelector("[data-reasons]").hidden = !isCannot;
    const reasons = this.#all("reason");
    // Why a film that is not there cannot be assessed need not be said; a reason without need is none.
    if (!isCannot) for (const one of reasons) one.checked = false;
    else if (this.form.dataset.missing !== undefined && !this.#chosen("reason")) reasons.find(({ value }) => value === MISSING).checked = true;
    if (!isQuiet) this.changed();
  }
}
