/** Chooses what paints the film: the graphics card, and the processor where there is none or when the card gives up. */

import { CardPainter } from "./card.js";
import { PlainPainter } from "./plain.js";

/**
 * @param {import("./film.js").Film} film
 * @param {(painter: CardPainter | PlainPainter) => void} use called at once, and again if the card loses the film
 * @param {AbortSignal} [signal] the film is not shown any more
 */
export function paint(film, use, signal) {
  const painter = onCard(film) ?? new PlainPainter(film);
  painter.canvas.addEventListener("webglcontextlost", () => use(new PlainPainter(film)), { once: true, signal });
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
