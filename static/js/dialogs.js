/**
 * `[data-dialog=ID]` opens a dialog, and so does `?` the one of the keys; a menu closes when one looks elsewhere. A link may be
 * such an opener: without this script, or with a key that asks for a new tab, it leads to the page with the same form.
 */

// Lifecycle
// Parts of a page come and go, so one listener serves all openers.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dialog]");
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey || !open(button.dataset.dialog)) return;
  event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key === "?" && !isTyping(event.target)) open("keys");
  if (event.key === "Escape") closeMenus();
});
document.addEventListener("click", (event) => event.target.closest("dialog [data-close]")?.closest("dialog").close());
addEventListener("click", (event) => closeMenus(event.target));

// Actions
function open(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return Boolean(dialog);
}

function closeMenus(target = null) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

// Private
// What letters and digits mean nothing to.
const NOT_TYPED = ["range", "radio", "checkbox", "button", "submit"];

/** @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]") && !NOT_TYPED.includes(target.type);
}
