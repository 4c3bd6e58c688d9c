/** One case on the screen: film, answers, draft, claim and time belong together, and end together. */

import { Viewer } from "../viewer.js";
import { Claim } from "./claim.js";
import { Clock } from "./clock.js";
import { Draft } from "./draft.js";
import { Form } from "./form.js";
import { Marks } from "./marks.js";
import { Others } from "./others.js";
import { differences, opinionOf } from "./opinion.js";
import { Status, timeOf } from "./status.js";

const CHOSEN = "button, label:has([type=radio], [type=checkbox])";

export class Sitting {
  /** @type {number | null} since when the film is on the screen */
  displayedAt = null;

  // Lifecycle

  /**
   * @param {HTMLElement} root the case
   * @param {object} room
   * @param {import("./merge.js").Merge} room.merge
   * @param {() => Promise<void>} room.verify rejects when somebody else has signed in
   * @param {() => void} room.won the case is one's own now: show it anew
   */
  constructor(root, { merge, verify, won }) {
    this.root = root;
    this.merge = merge;
    this.status = new Status(root);
    this.#show();
    const stored = JSON.parse(root.querySelector("#draft").textContent) ?? { version: 0 };
    this.stored = opinionOf(stored);
    this.clock = new Clock(this.stored.active_ms);
    this.regions?.set(this.stored.regions);
    if (this.instance in this.stored.view) this.viewer.turn(this.stored.view[this.instance]);
    this.marks = new Marks(root, this.viewer);
    this.others = new Others(root, this.viewer);
    this.form = new Form(root.querySelector("[data-read]"), () => this.#changed());
    this.draft = new Draft(stored, {
      url: root.dataset.draft, opinion: () => this.opinion, verify,
      tell: (state, facts) => this.#say(state, facts), settle: (current, base) => this.settle(current, base),
    });
    this.claim = new Claim(root.dataset.claim, {
      isActive: () => this.clock.isRunning && !this.form.isDisabled, tell: (held) => this.status.held(held), won,
    });
    this.#connect();
  }

  end() {
    for (const part of [this.draft, this.claim, this.clock]) part.end();
    this.merge.close();
    this.viewer?.destroy();
  }

  // Actions

  get regions() { return this.viewer?.regions; }
  get instance() { return this.film?.dataset.instance ?? ""; }
  get displayedMs() { return this.displayedAt === null ? 0 : Math.round(performance.now() - this.displayedAt); }

  /** @returns {import("./opinion.js").Opinion} */
  get opinion() {
    return { why: this.stored.why, ...this.form.read(), regions: this.regions?.get() ?? this.stored.regions, view: this.#turned(), active_ms: this.clock.ms };
  }

  /** The form as it is sent, with what it has no fields for. @returns {FormData} */
  get body() {
    const data = new FormData(this.form.form);
    const { regions, view, active_ms } = this.opinion;
    for (const [name, value] of Object.entries({ regions, view, active_ms })) data.set(name, JSON.stringify(value));
    data.set("version", String(this.draft.version));
    data.set("displayed_ms", String(this.displayedMs));
    return data;
  }

  toFilm() { (this.viewer?.stage ?? this.root).focus({ preventScroll: true }); }

  /** Let the reader choose between what is here and what another window saved. */
  async settle(current, base = this.draft.base) {
    const [mine, other] = [this.opinion, opinionOf(current)];
    const words = (field, value) => this.#words(field, value);
    this.current = current;
    // Where both say the same, only how the film was turned or for how long it was read differs: nothing to ask.
    const differs = differences(mine, other).length > 0;
    const merged = differs ? await this.merge.ask({ mine, other, base, at: timeOf(current.saved_at ?? "") }, words) : mine;
    if (!merged) return;
    this.clock.total += Math.max(other.active_ms - base.active_ms, 0);
    this.form.show(merged);
    this.regions?.set(merged.regions);
    this.stored.regions = merged.regions;
    this.draft.rebase(current);
    if (differs) this.toFilm();
  }

  /** Mistakes that the server found. @param {HTMLElement} answered the case as it came back */
  blame(answered) {
    const list = this.root.querySelector("[data-mistakes]");
    list.replaceChildren(...answered.querySelectorAll("[data-mistakes] > li"));
    list.hidden = !list.children.length;
    list.focus();
  }

  // Private

  #show() {
    this.film = this.root.querySelector("[data-viewer]");
    // The viewer of the page that was loaded is there already.
    if (this.film) this.film.viewer ??= new Viewer(this.film);
    this.viewer = this.film?.viewer;
    this.#display();
  }

  /** From when on Enter counts: the film is on the screen, or the page has said that it cannot be. */
  async #display() {
    try {
      if (!this.film) throw new Error("no film");
      const deep = this.viewer.ready.then((isThere) => { if (!isThere) throw new Error("no grey levels"); });
      await Promise.any([this.film.querySelector("[data-preview]").decode(), deep]);
    } catch {
      this.root.querySelector("[data-no-film]").hidden = false;
    }
    await new Promise(requestAnimationFrame);
    this.displayedAt = performance.now();
    this.root.dataset.displayed = "true";
  }

  #connect() {
    this.film?.addEventListener("regions:change", () => this.#changed());
    this.film?.addEventListener("view:turn", () => this.#changed());
    this.root.querySelector("[data-compare]").addEventListener("click", () => this.settle(this.current));
    this.root.querySelector("[data-held]").addEventListener("submit", (event) => {
      event.preventDefault();
      this.status.waits();
      this.claim.want();
    });
    // Whoever chose with a mouse goes on with the keys of the film.
    this.root.addEventListener("click", ({ target, detail }) => {
      if (detail && target.closest(CHOSEN) && !document.querySelector("dialog[open]")) this.toFilm();
    });
    const restored = this.root.querySelector("[data-restored-at]");
    if (restored && this.draft.savedAt) restored.textContent = ` of ${timeOf(this.draft.savedAt, { short: true })}`;
    const { holder, until } = this.root.dataset;
    if (until) this.claim.hold({ holder, until });
    this.#say("saved");
  }

  #changed() {
    this.draft?.touch();
  }

  #say(state, facts = {}) {
    this.status.draft(state, { ...facts, savedAt: this.draft?.savedAt });
    if (facts.held !== undefined) this.claim.hold(facts.held);
    if (facts.code === "claimed") this.claim.hold(facts);
    if (facts.code === "already-read") this.status.warn(facts.message, facts.address);
  }

  /** How each film is turned; one that never was has no entry. */
  #turned() {
    const now = this.viewer?.turned() ?? { flipped: false, rotated: 0 };
    const isTurned = now.flipped || now.rotated || this.instance in this.stored.view;
    return isTurned ? { ...this.stored.view, [this.instance]: now } : this.stored.view;
  }

  #words(field, value) {
    if (field === "comment" || field === "why") return value;
    if (field === "regions") return value.length === 1 ? "1 region" : `${value.length} regions`;
    const named = (one) => this.root.querySelector(`[name=${field}][value="${one}"]`)?.closest("label").querySelector("[data-words]");
    return [value].flat().map((one) => named(one)?.textContent ?? "").join(", ");
  }
}
