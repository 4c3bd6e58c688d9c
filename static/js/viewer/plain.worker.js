/**
 * The plain painter off the main thread. { film } in first; then { view, levels, width, height, ratio } in and { picture } out, for each.
 */

import { PlainPainter } from "./plain.js";
import { View } from "./view.js";

let painter = null;

// Lifecycle

addEventListener("message", ({ data: { film, view, levels, width, height, ratio } }) => {
  if (film) { painter = new PlainPainter(film, new OffscreenCanvas(1, 1)); return; }
  if (painter.canvas.width !== width || painter.canvas.height !== height) [painter.canvas.width, painter.canvas.height] = [width, height];
  painter.draw(Object.assign(new View(painter.film), view), levels, ratio);
  const picture = painter.canvas.transferToImageBitmap();
  postMessage({ picture }, [picture]);
});
