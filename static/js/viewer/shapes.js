/**
 * Geometry of what is drawn, in pixels of the source film: origin at its upper left corner, x to the right, y down, whatever way the
 * film is turned on the stage.
 * @typedef {[number, number]} Point
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Bounds
 * @typedef {"box" | "outline" | "length"} Kind a box has two corners, an outline is closed and has three points or more, a length two ends
 */

export const MOST_POINTS = 2000;
// How far a simplified outline may lie from what the hand drew; a little less than half a pixel, as points are rounded too.
const TOLERANCE = 0.48;

/** The nearest point of the film. @param {Point} point @param {Size} film @returns {Point} */
export function onFilm([x, y], film) {
  return [rounded(clamp(x, 0, film.width)), rounded(clamp(y, 0, film.height))];
}

/** @param {Point[]} points @returns {Bounds} */
export function boundsOf(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

/** The four corners, from the upper left one on, clockwise. @param {Bounds} bounds @returns {Point[]} */
export function cornersOf({ left, top, right, bottom }) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

/** What a box is stored as: its upper left and its lower right corner. @returns {Point[]} */
export function boxBetween(one, other) {
  const { left, top, right, bottom } = boundsOf([one, other]);
  return [[left, top], [right, bottom]];
}

/** An outline with few points, none of the drawn ones farther than half a pixel from it. @param {Point[]} drawn @returns {Point[]} */
export function outlineOf(drawn, film) {
  const points = drawn.map((point) => onFilm(point, film));
  let tolerance = TOLERANCE;
  let kept = simplified(points, tolerance);
  while (kept.length > MOST_POINTS) kept = simplified(points, tolerance *= 2);
  return kept;
}

/** Douglas and Peucker's, without recursion: an outline may have thousands of points. @param {Point[]} points @returns {Point[]} */
export function simplified(points, tolerance) {
  const kept = new Set([0, points.length - 1]);
  const spans = [[0, points.length - 1]];
  while (spans.length) {
    const [first, last] = spans.pop();
    const [middle, distance] = farthest(points, first, last);
    if (distance <= tolerance) continue;
    kept.add(middle);
    spans.push([first, middle], [middle, last]);
  }
  return points.filter((_, i) => kept.has(i));
}

/** Moved as far as the film goes. @param {Point[]} points @param {Size} film @returns {Point[]} */
export function moved(points, dx, dy, film) {
  const { left, top, right, bottom } = boundsOf(points);
  const [x, y] = [clamp(dx, -left, film.width - right), clamp(dy, -top, film.height - bottom)];
  return points.map(([px, py]) => [rounded(px + x), rounded(py + y)]);
}

/** The handles by which a shape is changed: the ends of a length, the corners of all others. @param {Kind} kind @returns {Point[]} */
export function handlesOf(kind, points) {
  return kind === "length" ? points : cornersOf(boundsOf(points));
}

/** The shape with one of its handles elsewhere; the handle opposite stays. @param {Kind} kind @returns {Point[]} */
export function pulled(kind, points, handle, to, film) {
  const end = onFilm(to, film);
  if (kind === "length") return points.map((point, i) => (i === handle ? end : point));
  const before = boundsOf(points);
  const after = atLeastOnePixel(cornersOf(before)[(handle + 2) % 4], end, film);
  return points.map((point) => stretched(point, before, after));
}

/** Whether something was drawn, and not only clicked. @param {Point[]} points @param {number} least in pixels of the film */
export function isDrawn(kind, points, least) {
  if (kind === "outline" && points.length < 3) return false;
  const { left, top, right, bottom } = boundsOf(points);
  const [width, height] = [right - left, bottom - top];
  return kind === "length" ? Math.hypot(width, height) >= least : Math.min(width, height) >= least;
}

/** What stands in the middle of a part of the film, for whoever draws with keys. @param {Kind} kind @param {Bounds} part */
export function placedIn(kind, { left, top, right, bottom }, film) {
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  const [across, down] = [(right - left) / 8, (bottom - top) / 8];
  const half = Math.min(across, down);
  if (kind === "length") return [[x - across, y], [x + across, y]].map((point) => onFilm(point, film));
  if (kind === "box") return boxBetween(onFilm([x - half, y - half], film), onFilm([x + half, y + half], film));
  const turns = Array.from({ length: 16 }, (_, i) => (i * Math.PI) / 8);
  return turns.map((turn) => onFilm([x + half * Math.cos(turn), y + half * Math.sin(turn)], film));
}

// Private

function farthest(points, first, last) {
  let [index, distance] = [first, 0];
  for (let i = first + 1; i < last; i += 1) {
    const away = distanceToSegment(points[i], points[first], points[last]);
    if (away > distance) [index, distance] = [i, away];
  }
  return [index, distance];
}

function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length ? clamp(((x - ax) * dx + (y - ay) * dy) / length, 0, 1) : 0;
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

/** Between a corner that stays and one that moves; a shape of no width could not be taken by its corner again. @returns {Bounds} */
function atLeastOnePixel([fixedX, fixedY], [x, y], film) {
  const [left, right] = apart(fixedX, x, film.width);
  const [top, bottom] = apart(fixedY, y, film.height);
  return { left, top, right, bottom };
}

function apart(fixed, to, most) {
  const far = Math.abs(to - fixed) >= 1 ? to : fixed + (fixed + 1 <= most && to >= fixed ? 1 : -1);
  return far < fixed ? [far, fixed] : [fixed, far];
}

function stretched([x, y], before, after) {
  return [
    rounded(between(x, [before.left, before.right], [after.left, after.right])),
    rounded(between(y, [before.top, before.bottom], [after.top, after.bottom])),
  ];
}

function between(value, [from, to], [newFrom, newTo]) {
  return to === from ? newFrom : newFrom + ((value - from) / (to - from)) * (newTo - newFrom);
}

function clamp(value, low, high) { return Math.min(Math.max(value, low), high); }

/** A hundredth of a pixel is finer than any hand. */
function rounded(value) { return Math.round(value * 100) / 100; }
