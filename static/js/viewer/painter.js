/**
 * Chooses what paints the film: the graphics card, and the processor where there is none or when the card gives up.
 * @typedef {CardPainter | AsidePainter | PlainPainter} Painter
 */

import { AsidePainter } from "./aside.js";
import { CardPainter } from "./card.js";
import { PlainPainter } from "./plain.js";

/**
 * @param {import("./film.js").Film} film
 * @param {string} helper address of the worker that paints on the processor
 * @param {(painter: Painter) => void} use called at once, and again if this painter loses the film
 * @param {AbortSignal} [signal] the film is not shown any more
 */
export function paint(film, helper, use, signal) {
  const onProcessor = () => new AsidePainter(film, helper, () => use(new PlainPainter(film)));
  const painter = onCard(film) ?? onProcessor();
  painter.canvas.addEventListener("webglcontextlost", () => use(onProcessor()), { once: true, signal });
  use(painter);
}

// Private

function onCard(film) {
  try {
    return new CardPainter(film);
  } catch {
    return null;
  }
}
