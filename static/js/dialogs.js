/** `[data-dialog=ID]` opens a dialog, and so does `?`; a menu closes when one looks elsewhere. */

// Lifecycle
for (const button of document.querySelectorAll("[data-dialog]")) button.addEventListener("click", () => open(button.dataset.dialog));
addEventListener("keydown", (event) => {
  if (event.key === "?" && !isTyping(event.target)) open("keys");
  if (event.key === "Escape") closeMenus();
});
addEventListener("click", (event) => closeMenus(event.target));

// Actions
function open(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
}

function closeMenus(target = null) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

// Private
/** @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]") && target.type !== "range";
}
