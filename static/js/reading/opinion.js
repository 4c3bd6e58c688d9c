/**
 * What a reader says of a case, and how two versions of it differ.
 * @typedef {{ id: string, instance: string, kind: string, points: [number, number][], finding: string }} Region
 * @typedef {{ answer: string, confidence: number | null, findings: string[], reason: string, comment: string, regions: Region[], why: string,
 *   view: Record<string, { flipped: boolean, rotated: number }>, active_ms: number }} Opinion
 */

/** What two windows may disagree about; how the film was turned and for how long it was read are facts of each. */
export const FIELDS = ["answer", "confidence", "findings", "reason", "comment", "regions", "why"];
const KEPT = [...FIELDS, "view"];

/** @param {any} stored a draft as the server sends it @returns {Opinion} */
export function opinionOf(stored) {
  const { answer = "", confidence = null, findings = [], reason = "", comment = "", regions = [], why = "", view = {}, active_ms = 0 } = stored;
  return { answer, confidence, findings, reason, comment, regions, why, view, active_ms };
}

/** Whether there is nothing to save. @param {Opinion} one @param {Opinion} other */
export function isSame(one, other) { return KEPT.every((field) => key(one[field]) === key(other[field])); }

/** @param {Opinion} one @param {Opinion} other @returns {string[]} the fields in which they differ */
export function differences(one, other) { return FIELDS.filter((field) => key(one[field]) !== key(other[field])); }

// Private

/** Equal for equal values: ticks have no order, and a key of an object has none either. */
function key(value) {
  if (Array.isArray(value)) return JSON.stringify(value.map(key).sort());
  if (value && typeof value === "object") return JSON.stringify(Object.keys(value).sort().map((name) => [name, key(value[name])]));
  return typeof value === "string" ? value.replace(/\r\n/g, "\n").trim() : JSON.stringify(value ?? null);
}
