/** The study list by keyboard: j and k move, / searches, u uploads. Enter on a link is the browser's own. */

import { isTyping } from "./dialogs.js";

// Lifecycle
addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const action = { j: next, ArrowDown: next, k: previous, ArrowUp: previous, "/": search, u: upload }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// Actions
function next() { move(1); }
function previous() { move(-1); }
function search() { document.querySelector("[data-search]")?.focus(); }
function upload() { document.querySelector("[data-uploads]")?.click(); }

// Private
function move(step) {
  const links = [...document.querySelectorAll(".item__title")];
  const at = links.indexOf(document.activeElement);
  const to = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[to]?.focus();
  links[to]?.scrollIntoView({ block: "nearest" });
}
