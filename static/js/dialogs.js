/**
 * `[data-dialog=ID]` opens a dialog, and so does `?` the one of the keys; a menu closes when one looks elsewhere. A link may be
 * such an opener: without this script, or with a key that asks for a new tab, it leads to the page with the same form.
 */

// Lifecycle
for (const button of document.querySelectorAll("[data-dialog]")) button.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || !open(button.dataset.dialog)) return;
  event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key === "?" && !isTyping(event.target)) open("keys");
  if (event.key === "Escape") closeMenus();
});
for (const button of document.querySelectorAll("dialog [data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
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
/** @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]") && target.type !== "range";
}
