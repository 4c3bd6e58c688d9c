/** Asks for what changed in a batch: one request for all its files, soon at first, and not while nobody looks. */

const SOON_S = [...Array(12).fill(0.15), 0.5, 1];
const FEW = 3;
// A change may be missed by the clock of its row; every so often everything is asked for.
const ALL_EVERY = 15;

/**
 * @param {string} address of the batch's changes
 * @param {{ receive: (uploads: object[]) => void, waiting: () => number, gone?: () => void }} page
 */
export function follower(address, page) {
  let [turn, since, running] = [0, "", false];

  async function run() {
    if (running) return;
    running = true;
    for (; page.waiting(); turn += 1) {
      await pause(page.waiting() > FEW ? 1 : SOON_S[turn] ?? 2);
      if (!document.hidden) await ask();
    }
    running = false;
  }

  async function ask() {
    const query = since && turn % ALL_EVERY ? `?since=${encodeURIComponent(since)}` : "";
    try {
      const answer = await fetch(address + query, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      document.dispatchEvent(new Event("server:found"));
      if (answer.redirected || answer.status === 404) return page.gone?.();
      if (!answer.ok) return;
      const { at, uploads } = await answer.json();
      since = at;
      page.receive(uploads);
    } catch {
      // The rows on the server are what counts; the next turn asks again.
      document.dispatchEvent(new Event("server:lost"));
    }
  }

  return { start() { turn = 0; run(); } };
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
