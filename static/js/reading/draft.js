/**
 * The draft of a case: every change reaches the server within half a second, one request at a time, each with the version that it
 * builds on. What cannot be sent stays here and is tried again; what another window saved meanwhile is never overwritten.
 * @typedef {import("./opinion.js").Opinion} Opinion
 * @typedef {"saved" | "saving" | "lost" | "signed-out" | "conflict" | "refused"} State
 */

import { isSame, opinionOf } from "./opinion.js";
import { put, Refusal } from "./server.js";

const DEBOUNCE_MS = 300;
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];
const SIGNED_OUT_RETRY_MS = 3000;
// Reading time alone is worth a request only when the page is left.
const WORTH_MS = 5000;
// A browser sends no more than this after its page has gone.
const LAST_BYTES = 60_000;

export class Draft {
  /** @type {State} */
  state = "saved";
  #timer = 0;
  #due = 0;
  #failures = 0;
  #running = Promise.resolve();
  #isRunning = false;
  #isOver = false;

  // Lifecycle

  /**
   * @param {any} stored as the page brought it
   * @param {object} room
   * @param {string} room.url where it is kept
   * @param {() => Opinion} room.opinion what the reader says now
   * @param {() => Promise<void>} room.verify rejects when somebody else has signed in meanwhile
   * @param {(state: State, facts?: any) => void} room.tell
   * @param {(current: any, base: Opinion) => void} room.settle asks the reader which of two versions holds
   */
  constructor(stored, { url, opinion, verify, tell, settle }) {
    this.version = stored.version;
    this.base = opinionOf(stored);
    this.savedAt = stored.saved_at ?? "";
    Object.assign(this, { url, opinion, verify, tell, settle });
    this.back = () => this.now();
    this.leave = (event) => { if (event.type === "pagehide" || document.hidden) this.last({ isGone: event.type === "pagehide" }); };
    for (const name of ["online", "focus"]) addEventListener(name, this.back);
    for (const [target, name] of [[window, "pagehide"], [document, "visibilitychange"]]) target.addEventListener(name, this.leave);
  }

  /** It was submitted, or the case is left: nothing is sent any more. */
  end() {
    this.#isOver = true;
    this.#forget();
    for (const name of ["online", "focus"]) removeEventListener(name, this.back);
    for (const [target, name] of [[window, "pagehide"], [document, "visibilitychange"]]) target.removeEventListener(name, this.leave);
  }

  // Actions

  get isDirty() { return !this.#isOver && !isSame(this.opinion(), this.base); }

  /** Whether leaving now would lose something. */
  get isAtRisk() { return this.isDirty && this.state !== "saved" && this.state !== "saving"; }

  /** Something was changed. */
  touch() {
    if (this.#isOver || this.#isStuck) return;
    if (this.state === "saved" && this.isDirty) this.#say("saving");
    this.#later(this.#failures ? this.#wait() : DEBOUNCE_MS);
  }

  /** Save at once what is not saved. */
  now() {
    if (this.isDirty && !this.#isStuck) this.#later(0);
  }

  /** Try again what was refused. */
  retry() {
    if (this.state === "refused") this.#say("saving");
    this.now();
  }

  /** Resolves once nothing is on its way: what is submitted then builds on a version that is known. */
  async idle() {
    this.#forget();
    await this.#running;
    this.#forget();
  }

  /** Save what is not saved, and wait for it. */
  async flush() {
    this.#forget();
    this.#run();
    await this.#running;
  }

  /** The page is hidden or left: what is on its way will have taken the next version by then. */
  last({ isGone = false } = {}) {
    const opinion = this.opinion();
    const isWorth = this.isDirty || opinion.active_ms - this.base.active_ms > WORTH_MS;
    if (this.#isOver || this.#isStuck || !isWorth) return;
    if (this.#isRunning && !isGone) { this.now(); return; }
    this.#forget();
    const version = this.version + Number(this.#isRunning);
    this.#running = Promise.all([this.#running, this.#send(opinion, version)]).then(() => {});
  }

  /** The reader has settled a conflict: go on from the version that the server has. @param {any} current */
  rebase(current) {
    this.version = current.version;
    this.base = opinionOf(current);
    this.savedAt = current.saved_at ?? this.savedAt;
    this.#say("saved");
    this.touch();
  }

  /** Another window was faster: nothing is sent until the reader has chosen. @param {any} current */
  conflict(current) {
    this.#say("conflict", { current });
    this.settle(current, this.base);
  }

  // Private

  /** Trying again by itself would change nothing; what is invalid may be mended. */
  get #isStuck() { return this.state === "conflict" || (this.state === "refused" && this.refusal !== "invalid"); }

  #later(wait) {
    const due = performance.now() + wait;
    if (this.#timer && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => { this.#timer = 0; this.#run(); }, wait);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #run() {
    this.#running = this.#running.then(() => {
      if (this.isDirty && !this.#isStuck) return this.#send(structuredClone(this.opinion()), this.version);
      if (this.state === "saving") this.#say("saved");
    });
  }

  async #send(opinion, version) {
    const body = { version, ...opinion };
    this.#isRunning = true;
    if (this.state === "saved") this.#say("saving");
    try {
      if (this.state === "signed-out") await this.verify();
      this.#take(await put(this.url, body, { keepalive: JSON.stringify(body).length < LAST_BYTES }), opinion);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#refused(refusal);
    } finally {
      this.#isRunning = false;
    }
  }

  #take(stored, opinion) {
    if (this.#isOver) return;
    this.version = Math.max(stored.version, this.version);
    this.base = opinion;
    this.savedAt = stored.saved_at;
    this.#failures = 0;
    this.#say(this.isDirty ? "saving" : "saved", { held: stored.held ?? null });
    if (this.isDirty) this.#later(DEBOUNCE_MS);
  }

  #refused({ code, facts }) {
    if (this.#isOver) return;
    if (code === "conflict") return this.conflict(facts.current);
    if (code !== "lost" && code !== "signed-out") { this.refusal = code; return this.#say("refused", { code, ...facts }); }
    this.#say(code);
    this.#later(this.#wait());
    this.#failures += 1;
  }

  #wait() {
    if (this.state === "signed-out") return SIGNED_OUT_RETRY_MS;
    return RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
  }

  #say(state, facts = {}) {
    this.state = state;
    this.tell(state, facts);
  }
}
