/**
 * The keys of the reading room. Digits are the answers (rule D11); all others come from the reader's own map, which the page brings.
 * A key that is held down acts once.
 */

import { isTyping } from "../dialogs.js";

const OWN = ["submit", "undo", "reveal", "next", "comment", "findings", "confidence_low", "confidence_middle", "confidence_high"];
const DIGITS = ["1", "2", "3", "4", "5"];
// What Enter and Space mean to these is theirs.
const PRESSED = "button, a, summary, select, [role=button]";

/** @param {Record<string, string>} map action → key @param {(action: string, key: string) => void} act */
export function listen(map, act) {
  const actions = new Map(OWN.map((action) => [map[action], action]));
  for (const digit of DIGITS) actions.set(digit, "answer");
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.defaultPrevented) return;
    const key = named(event);
    if (isTyping(event.target)) { leave(event, key, map, act); return; }
    const action = actions.get(key);
    if (!action || (["Enter", "Space"].includes(key) && event.target.closest(PRESSED))) return;
    event.preventDefault();
    if (!event.repeat) act(action, key);
  });
}

/** A key as key maps name it: 'Enter', 'u', 'ctrl+z'. @param {KeyboardEvent} event @returns {string} */
export function named(event) {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // Many keyboards write a bracket with AltGr, which Windows reports as Ctrl and Alt.
  if (event.getModifierState("AltGraph")) return key;
  return `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.altKey ? "alt+" : ""}${key}`;
}

// Private

/** Escape goes back to the film, Ctrl+Enter submits from where one types. */
function leave(event, key, map, act) {
  if (key !== "Escape" && key !== `ctrl+${map.submit}`) return;
  event.preventDefault();
  if (!event.repeat) act(key === "Escape" ? "film" : "submit", key);
}
