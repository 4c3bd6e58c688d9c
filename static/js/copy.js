/** `[data-copy=ID]` puts what stands in that field on the clipboard, and says so; where browsers allow none, it stays hidden. */

// Lifecycle
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

// Actions
/** @param {HTMLButtonElement} button */
async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  field.select();
  await navigator.clipboard.writeText(field.value);
  button.textContent = "Copied";
  document.querySelector("[data-copied]").textContent = "Copied";
}
