/** The case that comes next, fetched before it is asked for and without a claim: its films stand at once. */

import { prefetch } from "../viewer/film.js";
import { get, Refusal } from "./server.js";

/** Pictures that are being fetched: without this, a browser may drop them. @type {Set<HTMLImageElement>} */
const pictures = new Set();

/** @param {string} url of the peek @param {string} decoder address of the worker's script @returns {Promise<string>} its study */
export async function look(url, decoder) {
  try {
    const { study = "", films = [] } = await get(url);
    for (const { preview } of films) hold(preview);
    // Decoding keeps a processor busy: only what is shown first.
    if (films.length) prefetch(films[0].pixels, decoder);
    return study;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return "";
  }
}

// Private

function hold(preview) {
  const picture = new Image();
  pictures.add(picture);
  picture.src = preview;
  picture.decode().catch(() => {}).finally(() => setTimeout(() => pictures.delete(picture), 120_000));
}
