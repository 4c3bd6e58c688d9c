/**
 * What two films that hang side by side have in common: zoom and place relative to the whole film, window relative to the one that came
 * with it.
 * @typedef {{ ratio: number, x: number, y: number }} Placement how much larger than the whole film, and where its middle lies, in its sizes
 * @typedef {{ shift: number, widening: number, inverted: boolean }} Window of the window as sent
 */

// Less than a hundredth of a film's pixel on any screen.
const NOTHING = 1e-6;

/** @param {import("./view.js").View} view @returns {Placement} */
export function placementOf(view) {
  const { width, height } = view.size;
  const [x, y] = middleOf(view);
  const whole = Math.min(view.stage.width / width, view.stage.height / height) || 1;
  return {
    ratio: view.scale / whole,
    x: (x - view.stage.width / 2) / (width * view.scale),
    y: (y - view.stage.height / 2) / (height * view.scale),
  };
}

/** @param {import("./view.js").View} view @param {Placement} placement of another film */
export function place(view, { ratio, x, y }) {
  view.fit();
  if (Math.abs(ratio - 1) < NOTHING && Math.hypot(x, y) < NOTHING) return;
  view.zoom(ratio);
  const { width, height } = view.size;
  const [nowX, nowY] = middleOf(view);
  view.pan(view.stage.width / 2 + x * width * view.scale - nowX, view.stage.height / 2 + y * height * view.scale - nowY);
}

/** @param {import("./levels.js").Levels} levels @returns {Window} */
export function windowOf(levels) {
  const { low, high } = levels.sent;
  return {
    shift: (levels.centre - (low + high) / 2) / (high - low || 1),
    widening: levels.width / (high - low || 1),
    inverted: levels.inverted,
  };
}

/** @param {import("./levels.js").Levels} levels @param {Window} window of another film */
export function takeWindow(levels, { shift, widening, inverted }) {
  const { low, high } = levels.sent;
  const width = high - low || 1;
  const centre = (low + high) / 2 + shift * width;
  levels.take({ low: centre - (widening * width) / 2, high: centre + (widening * width) / 2 });
  levels.inverted = inverted;
}

// Private

function middleOf(view) { return view.toStage(view.film.width / 2, view.film.height / 2); }
