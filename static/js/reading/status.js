/** What the panel says of itself: whether the draft is stored, a quiet hint, and what stands in the way. */

const HINT_MS = 4000;

export class Status {
  #timer = 0;

  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  // Actions

  /** @param {import("./draft.js").State} state @param {{ message?: string, savedAt?: string }} [facts] */
  draft(state, { message = "", savedAt = "" } = {}) {
    const line = this.#part("status");
    const words = { saved: savedAt ? `saved ${timeOf(savedAt)}` : "", refused: `Not saved: ${message}` }[state] ?? line.dataset[camel(state)];
    line.dataset.state = state;
    this.#write(line, words);
    this.#part("sign-in").hidden = state !== "signed-out";
    this.#part("compare").hidden = state !== "conflict";
  }

  /** Beside the button, for a while. */
  hint(words) {
    const line = this.#part("hint");
    // The same words once more are said once more.
    line.replaceChildren(Object.assign(document.createElement("span"), { textContent: words }));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => line.replaceChildren(), HINT_MS);
  }

  /** Something stands in the way: said above the form until it is over. @param {string} words @param {string} [address] */
  warn(words, address = "") {
    const banner = this.#part("warning");
    banner.hidden = !words;
    this.#write(banner.querySelector("p"), words);
    const link = banner.querySelector("a");
    link.hidden = !address;
    if (address) link.href = address;
  }

  /** @param {{ holder: string, until: string } | null} held */
  held(held) {
    const banner = this.#part("held");
    banner.hidden = !held;
    if (!held) return;
    const words = banner.dataset.words.replace("{holder}", held.holder).replace("{until}", timeOf(held.until, { short: true }));
    this.#write(banner.querySelector("p"), words);
  }

  /** The reader wants to take over what another holds. */
  waits() {
    const button = this.root.querySelector("[data-held] button");
    button.textContent = button.dataset.waits;
    button.setAttribute("aria-pressed", "true");
  }

  // Private

  #part(name) { return this.root.querySelector(`[data-${name}]`); }

  #write(line, words) {
    if (line.textContent !== words) line.textContent = words;
  }
}

/** @param {string} moment as ISO 8601 @returns {string} such as 14:32:05, in the zone of whoever sits here; short: 14:32, and the day if it is another */
export function timeOf(moment, { short = false } = {}) {
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return moment;
  if (!short) return at.toLocaleTimeString("en-GB");
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? "" : at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return [at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }), day].filter(Boolean).join(", ");
}

function camel(words) { return words.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()); }
