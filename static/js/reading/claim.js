/** The claim of a case: renewed while somebody is at it; where another reader holds it, tried again when theirs ends. */

import { post, Refusal } from "./server.js";

const RENEW_MS = 60_000;
const ASK_MS = 15_000;

export class Claim {
  isWanted = false;
  #timer = 0;

  // Lifecycle

  /**
   * @param {string} url
   * @param {object} room
   * @param {() => boolean} room.isActive whether somebody reads now
   * @param {(held: { holder: string, until: string } | null) => void} room.tell
   * @param {() => void} room.won called when it was another's and is one's own now
   */
  constructor(url, { isActive, tell, won }) {
    Object.assign(this, { url, isActive, tell, won });
    this.#timer = setInterval(() => { if (this.isActive() && !this.held) this.renew(); }, RENEW_MS);
  }

  end() {
    clearInterval(this.#timer);
    clearTimeout(this.waiting);
    this.isOver = true;
  }

  // Actions

  /** Another reader has it. @param {{ holder: string, until: string } | null} held */
  hold(held) {
    if (this.isOver) return;
    this.held = held;
    this.tell(held);
    if (held && this.isWanted) this.#ask();
  }

  /** Take it over as soon as it is free. */
  want() {
    this.isWanted = true;
    return this.renew();
  }

  async renew() {
    try {
      await post(this.url);
      if (this.isOver) return;
      const wasHeld = this.held;
      this.hold(null);
      if (wasHeld) this.won();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.code === "claimed") this.hold({ holder: refusal.facts.holder, until: refusal.facts.until });
      else if (this.held && this.isWanted) this.#ask();
    }
  }

  // Private

  /** At the end of theirs, and now and then before it: they may give it back. */
  #ask() {
    clearTimeout(this.waiting);
    const left = new Date(this.held.until).getTime() - Date.now() + 500;
    this.waiting = setTimeout(() => this.renew(), left > 0 ? Math.min(left, ASK_MS) : ASK_MS);
  }
}
