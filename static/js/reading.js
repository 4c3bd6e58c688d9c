/**
 * The reading room: one case after the other without loading a page. A digit answers, Enter submits, the next film stands at once and
 * the last read can be taken back for a while (rule D11).
 */

import { look } from "./reading/ahead.js";
import * as keys from "./reading/keys.js";
import { Merge } from "./reading/merge.js";
import { fragment, post, Refusal } from "./reading/server.js";
import { Sitting } from "./reading/sitting.js";
import { Undo } from "./reading/undo.js";

// Enter that was meant for the film before this one does nothing (rule D11).
const FIRST_MS = 1000;
const SAYS = {
  lost: "No connection: nothing was sent. What you chose stays here.",
  "signed-out": "You are signed out: sign in in another tab, nothing is lost.",
  early: "Enter counts one second after the film is there.",
  takenBack: "Your read is taken back. It is a draft again.",
  unsaved: "Your draft is not saved yet, so this case stays here.",
};

class Room {
  // Lifecycle

  /** @param {HTMLElement} root the case that the page came with */
  constructor(root) {
    this.merge = new Merge(document.getElementById("merge"));
    this.enter(root);
    keys.listen(JSON.parse(document.getElementById("reading-keys").textContent), (action, key) => this.do(action, key));
    document.addEventListener("submit", (event) => this.#intercept(event));
    document.addEventListener("click", (event) => this.#follow(event));
    addEventListener("popstate", () => this.open(location.href));
    addEventListener("beforeunload", (event) => { if (this.sitting?.draft.isAtRisk) event.preventDefault(); });
    // A part of the page that finds the session ended would load the page anew, and with it lose what could not be saved.
    document.addEventListener("page:leaving", (event) => { if (this.sitting?.draft.isDirty) event.preventDefault(); });
  }

  /** @param {HTMLElement} root */
  enter(root) {
    this.root = root;
    root.room = this;
    this.undo = new Undo(root);
    const isCase = Boolean(root.querySelector("[data-read]"));
    const room = { merge: this.merge, verify: () => this.#verify(), won: () => this.open(location.href) };
    this.sitting = isCase ? new Sitting(root, room) : null;
    this.#lookAhead();
  }

  leave() {
    this.undo.end();
    this.sitting?.end();
    this.sitting = null;
  }

  // Actions

  /** @param {string} action @param {string} key */
  do(action, key) {
    if (this.isBusy) return;
    if (action === "undo") this.takeBack();
    else if (this.sitting) this.#act(action, key);
  }

  async submit() {
    const { sitting } = this;
    if (sitting.form.isDisabled) return;
    if (sitting.displayedMs < FIRST_MS) { sitting.status.hint(SAYS.early); return; }
    if (sitting.draft.state === "conflict") { sitting.settle(sitting.current); return; }
    const { lack } = sitting.form;
    if (lack) { sitting.status.hint(lack.words); lack.field.focus(); return; }
    await this.#work(async () => {
      await sitting.draft.idle();
      const answer = await post(sitting.form.form.action, sitting.body);
      if (answer.status === 422) sitting.blame(parsed(await answer.text()));
      else await this.swap(answer, { isNew: true });
    });
    if (this.sitting === sitting) sitting.draft.touch();
  }

  async takeBack() {
    const { address } = this.undo;
    if (!address) return;
    await this.#work(async () => {
      await this.sitting?.draft.flush();
      await this.swap(await post(address), { isNew: true, isLeft: true });
      this.sitting.root.querySelector("[data-restored]")?.replaceChildren(this.root.dataset.takenBack ?? SAYS.takenBack);
    });
  }

  /** Leave this case as it is and go to the next one. */
  async next() {
    const { sitting, root } = this;
    await this.#work(async () => {
      await sitting.draft.flush();
      if (sitting.draft.isDirty) { sitting.status.hint(SAYS.unsaved); return; }
      await this.swap(await fragment(root.dataset.next), { isNew: true });
    });
  }

  /** Show the case of an address, without a new entry in the history. */
  async open(address) {
    await this.#work(async () => {
      await this.sitting?.draft.flush();
      await this.swap(await fragment(address), { isNew: false, isLeft: true });
    });
  }

  /**
   * @param {Response} answer with another case
   * @param {object} options
   * @param {boolean} options.isNew whether it becomes a step of the history
   * @param {boolean} [options.isLeft] whether what was here is left unread
   */
  async swap(answer, { isNew, isLeft = false }) {
    const next = parsed(await answer.text());
    if (!next) { location.assign(answer.url); return; }
    const { case: left, release } = this.root.dataset;
    this.leave();
    const address = answer.headers.get("X-Address") ?? next.dataset.address ?? answer.url;
    if (isNew && address !== location.pathname) history.pushState(null, "", address);
    this.root.replaceWith(next);
    globalThis.htmx?.process(next);
    this.enter(next);
    document.title = next.dataset.title;
    document.querySelector("[data-aloud-region]").textContent = next.dataset.aloud;
    scrollTo({ top: 0 });
    // What is left unread goes back to the list at once; after a submit it has gone already.
    if (isLeft && left && left !== next.dataset.case) post(release).catch(() => {});
    if (this.sitting) this.sitting.toFilm();
    else next.focus();
  }

  // Private

  #act(action, key) {
    const { form, status } = this.sitting;
    if (action === "submit") this.submit();
    else if (action === "next") this.next();
    else if (action === "answer") this.#answer(key);
    else if (action === "film") this.sitting.toFilm();
    else if (action === "comment" || action === "findings") form.focus(action);
    else form.trust({ confidence_low: "1", confidence_middle: "2", confidence_high: "3" }[action]);
    if (form.isDisabled) status.hint(form.form.dataset.disabled);
  }

  #answer(digit) {
    const words = this.sitting.form.choose(digit);
    if (words) document.querySelector("[data-aloud-region]").textContent = words;
  }

  /** One request at a time; what stands in its way is said, and nothing is lost. */
  async #work(job) {
    if (this.isBusy) return;
    const { sitting } = this;
    this.isBusy = true;
    sitting?.form.busy(true);
    try {
      await job();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#refused(refusal);
    } finally {
      this.isBusy = false;
      sitting?.form.busy(false);
    }
  }

  #refused({ code, facts, message }) {
    const { sitting } = this;
    if (!sitting) { location.reload(); return; }
    if (code === "conflict" && facts.current) sitting.draft.conflict(facts.current);
    else if (code === "claimed") sitting.claim.hold(facts);
    else if (SAYS[code]) sitting.status.hint(SAYS[code]);
    else sitting.status.warn(message, facts.address);
  }

  #intercept(event) {
    const form = event.target;
    if (!form.matches("[data-read], [data-undo]")) return;
    event.preventDefault();
    if (this.isBusy) return;
    if (form.matches("[data-undo]")) this.takeBack();
    else this.submit();
  }

  /** The next case, or another film of the same one. */
  #follow(event) {
    const link = event.target.closest("a[data-film], a[data-skip]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.matches("[data-skip]")) { this.next(); return; }
    history.replaceState(null, "", link.href);
    this.open(link.href);
  }

  async #lookAhead() {
    const { root, sitting } = this;
    if (!sitting) return;
    // First the film that is looked at, then the next one.
    await Promise.race([sitting.viewer?.ready, new Promise((resolve) => { setTimeout(resolve, 3000); })]).catch(() => {});
    if (this.sitting === sitting) await look(root.dataset.peek, root.dataset.decoder);
  }

  /** After signing in again in another tab: is it still the same reader? */
  async #verify() {
    const answer = await fragment(location.href);
    const reader = parsed(await answer.text())?.dataset.reader;
    if (reader !== this.root.dataset.reader) throw new Refusal("another", { message: this.root.dataset.another });
  }
}

/** @returns {HTMLElement | null} the case of a page or fragment */
function parsed(html) { return new DOMParser().parseFromString(html, "text/html").getElementById("case"); }

const root = document.getElementById("case");
if (root) new Room(root);
