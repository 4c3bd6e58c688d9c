/**
 * A film's lossless grey levels, each decoded in a worker of its own. The last few films are kept, so that one that was seen, or was
 * fetched beforehand, stands at once.
 * @typedef {import("./png16.worker.js").Plane} Plane
 * @typedef {{ width: number, height: number, levels: Plane[] }} Film the film itself is level 0, each further level its half
 * @typedef {object} Entry
 * @property {Promise<Film>} film
 * @property {Worker} worker
 * @property {number} waiting how many want it; a film that nobody waits for any more is not decoded to its end
 * @property {number} bytes 0 while it is decoded
 */

const KEPT = 4;
const KEPT_BYTES = 256 * 1024 * 1024;

/** @type {Map<string, Entry>} by address, the one that was asked for last at the end */
const films = new Map();

// Actions

/**
 * @param {string} url of the lossless rendition
 * @param {string} decoder address of the worker's script
 * @param {AbortSignal} [signal] says that this film is not waited for any more
 * @returns {Promise<Film>}
 */
export function decoded(url, decoder, signal) {
  const entry = films.get(url) ?? started(url, decoder);
  films.delete(url);
  films.set(url, entry);
  entry.waiting += 1;
  signal?.addEventListener("abort", () => leave(url, entry), { once: true });
  return entry.film;
}

/** Have this film ready before it is asked for. */
export function prefetch(url, decoder) {
  if (!films.has(url)) decoded(url, decoder).catch(() => {});
}

/** Whether this film is decoded, or is being decoded. */
export function isKept(url) { return films.has(url); }

// Private

function started(url, decoder) {
  const worker = new Worker(decoder, { type: "module" });
  const entry = { worker, waiting: 0, bytes: 0 };
  entry.film = new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data)));
    worker.addEventListener("error", (event) => reject(new Error(event.message || "the decoder did not start")));
    worker.postMessage({ url: new URL(url, location.href).href });
  });
  entry.film.then((film) => keep(entry, film), () => forget(url, entry)).finally(() => worker.terminate());
  return entry;
}

function keep(entry, film) {
  entry.bytes = film.levels.reduce((sum, { pixels }) => sum + pixels.byteLength, 0);
  for (const [url, one] of films) if (one !== entry && one.bytes && isTooMuch()) films.delete(url);
}

function isTooMuch() {
  const bytes = [...films.values()].reduce((sum, one) => sum + one.bytes, 0);
  return films.size > KEPT || bytes > KEPT_BYTES;
}

/** A film that failed is asked for anew next time. */
function forget(url, entry) {
  if (films.get(url) === entry) films.delete(url);
}

function leave(url, entry) {
  entry.waiting -= 1;
  if (entry.waiting > 0 || entry.bytes) return;
  entry.worker.terminate();
  forget(url, entry);
}
