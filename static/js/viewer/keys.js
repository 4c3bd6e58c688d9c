/**
 * From key to action. Arrows belong to the film only while it has the focus; elsewhere they scroll and slide as ever. A page of the
 * reading room brings its reader's own keys as `<script type="application/json" id="reading-keys">`, action → key.
 * @typedef {Record<string, string>} KeyMap such as { invert: "i", undo_region: "ctrl+z" }
 */

import { isTyping } from "../dialogs.js";

/** @type {KeyMap} */
export const USUAL = {
  in: "+", out: "-", fit: "0", actual: "1", darker: "[", brighter: "]", narrower: "{", wider: "}",
  auto: "a", magnify: "g", heatmap: "h", invert: "i", lung: "l", mediastinum: "m", pan: "p", reset: "r", sent: "s", rotate: "t",
  window_next: "v", window: "w", flip: "x",
  box: "b", outline: "o", length: "k", undo_region: "ctrl+z", redo: "ctrl+y", compare: "y",
};
/** @type {Record<string, string>} */
const ARROWS = { arrowleft: "left", arrowright: "right", arrowup: "up", arrowdown: "down" };
// The same key as another where no shift key is held.
const ALIASES = { "=": "+", _: "-" };
// What a key that is held down goes on doing; all else happens once a press.
const REPEATED = new Set(["in", "out", "darker", "brighter", "narrower", "wider", "left", "right", "up", "down", "undo_region", "redo"]);

// Actions

/** The page's own key map, else the usual one. @returns {KeyMap} */
export function keymap() {
  const own = document.getElementById("reading-keys");
  return own ? JSON.parse(own.textContent) : USUAL;
}

/**
 * @param {HTMLElement} stage
 * @param {(action: string) => boolean} act says whether the action is the viewer's; the browser keeps a key that is nobody's
 * @param {KeyMap} [map]
 * @param {AbortSignal} [signal] ends the listening
 */
export function listen(stage, act, map = USUAL, signal = undefined) {
  const actions = Object.fromEntries(Object.entries(map).map(([action, key]) => [key.toLowerCase(), action]));
  addEventListener("keydown", (event) => {
    const action = wanted(event, stage, actions);
    if (!action || (event.repeat && !REPEATED.has(action))) return;
    if (act(action)) event.preventDefault();
  }, { signal });
}

// Private

function wanted(event, stage, actions) {
  // Many keyboards write a bracket with AltGr, which Windows reports as Ctrl and Alt.
  const writes = event.getModifierState("AltGraph");
  if ((event.altKey && !writes) || event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]")) return null;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !writes) return actions[`ctrl+${key}`];
  return (event.target === stage && ARROWS[key]) || actions[key] || actions[ALIASES[key]];
}
