/**
 * A film's lossless grey levels, decoded in a worker of its own.
 * @typedef {import("./png16.worker.js").Plane} Plane
 * @typedef {{ width: number, height: number, levels: Plane[] }} Film the film itself is level 0, each further level its half
 */

/**
 * @param {string} url of the lossless rendition
 * @param {string} decoder address of the worker's script
 * @returns {Promise<Film>}
 */
export function decoded(url, decoder) {
  const worker = new Worker(decoder, { type: "module" });
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data)));
    worker.addEventListener("error", (event) => reject(new Error(event.message || "the decoder did not start")));
    worker.postMessage({ url: new URL(url, location.href).href });
  }).finally(() => worker.terminate());
}
