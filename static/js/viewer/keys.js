/** From key to action. Arrows belong to the film only while it has the focus; elsewhere they scroll and slide as ever. */

import { isTyping } from "../dialogs.js";

/** @type {Record<string, string>} */
const ACTIONS = {
  "+": "in", "=": "in", "-": "out", 0: "fit", 1: "actual",
  "[": "darker", "]": "brighter", "{": "narrower", "}": "wider",
  a: "auto", h: "heatmap", i: "invert", p: "pan", r: "reset", s: "sent", v: "next", w: "window",
};
/** @type {Record<string, string>} */
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

/**
 * @param {HTMLElement} stage
 * @param {(action: string) => void} act
 */
export function listen(stage, act) {
  addEventListener("keydown", (event) => {
    const action = wanted(event, stage);
    if (!action) return;
    event.preventDefault();
    act(action);
  });
}

// Private

function wanted(event, stage) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return null;
  return event.target === stage && ARROWS[event.key] ? ARROWS[event.key] : ACTIONS[event.key.toLowerCase()];
}
