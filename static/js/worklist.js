/**
 * The worklist by keyboard: j and k move, x chooses, / searches, r reads on. The list is exchanged while one looks at it: what
 * was chosen stays chosen, the case that one looks at stays where it stands on the screen, and where a case that had the focus
 * is gone, the one in its place has it. (Browsers would hold on to something else, so the style sheet tells them not to.)
 */

import { isTyping } from "./dialogs.js";

const chosen = new Set();
let place = -1;
let held = null;

// Lifecycle
addEventListener("keydown", (event) => {
  if (isTyping(event.target) && event.target.type !== "checkbox") return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const action = { j: next, ArrowDown: next, k: previous, ArrowUp: previous, "/": search, x: choose, r: read }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-tick]")) { keep(target); redraw(); }
  if (target.matches("[data-tick-all]")) { for (const tick of ticks()) { tick.checked = target.checked; keep(tick); } redraw(); }
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "list") return;
  place = links().indexOf(document.activeElement);
  held = hold();
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id === "list") restore();
  if (detail.target.id === "change") document.getElementById("change-dialog").showModal();
});
document.querySelector("[data-narrowing]").addEventListener("click", ({ currentTarget }) => unfold(currentTarget.ariaExpanded !== "true"));
document.addEventListener("click", (event) => {
  const dialog = event.target.closest("[data-close-change]")?.closest("dialog");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
});
redraw();

// Actions
function next() { move(1); }
function previous() { move(-1); }
function search() { unfold(true); document.querySelector("[data-search]")?.focus(); }
function unfold(is) { document.querySelector("[data-narrowing]").ariaExpanded = String(is); }
function read() { document.querySelector("[data-session]")?.click(); }

function choose() {
  const tick = document.activeElement?.closest(".case")?.querySelector("[data-tick]");
  if (!tick) return;
  tick.checked = !tick.checked;
  keep(tick);
  redraw();
}

// Private
function links() { return [...document.querySelectorAll(".case__open")]; }
function ticks() { return [...document.querySelectorAll("[data-tick]")]; }

function move(step) {
  const all = links();
  const at = all.indexOf(document.activeElement?.closest(".case")?.querySelector(".case__open"));
  const to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  all[to]?.focus();
  all[to]?.scrollIntoView({ block: "nearest" });
}

function keep(tick) {
  tick.checked ? chosen.add(tick.value) : chosen.delete(tick.value);
}

/** The case in focus, else the first that can be seen, and where it stands; none while the top of the page is looked at. */
function hold() {
  if (scrollY === 0) return null;
  const link = document.activeElement?.closest(".case__open") ?? links().find((one) => one.getBoundingClientRect().top >= 0);
  return link ? { id: link.id, top: link.getBoundingClientRect().top } : null;
}

/** After an exchange: a case that left the page is not chosen any more, for nobody would see that it is. */
function restore() {
  const here = ticks();
  const values = new Set(here.map((tick) => tick.value));
  for (const value of chosen) if (!values.has(value)) chosen.delete(value);
  for (const tick of here) tick.checked = chosen.has(tick.value);
  const all = links();
  if (place >= 0 && document.activeElement === document.body) all[Math.min(place, all.length - 1)]?.focus({ preventScroll: true });
  const link = held && document.getElementById(held.id);
  if (link) scrollBy({ top: link.getBoundingClientRect().top - held.top, behavior: "instant" });
  redraw();
}

function redraw() {
  const count = document.querySelector("[data-n-chosen]");
  if (!count) return;
  for (const tick of ticks()) { if (tick.checked) chosen.add(tick.value); tick.closest(".case").classList.toggle("case--chosen", tick.checked); }
  count.textContent = String(chosen.size);
  for (const button of document.querySelectorAll("[data-bulk]")) button.disabled = chosen.size === 0;
  const all = document.querySelector("[data-tick-all]");
  all.checked = chosen.size > 0 && chosen.size === ticks().length;
  all.indeterminate = chosen.size > 0 && !all.checked;
}
