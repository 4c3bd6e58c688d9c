/** A form with `data-forget` holds what must not stay on the page: it is emptied once it was sent, and when the page is left. */

// Lifecycle
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target instanceof HTMLFormElement) forget(event.target);
});
// Browsers keep a page that is left, with what was typed into it, for the way back.
addEventListener("pagehide", () => document.querySelectorAll("form[data-forget]").forEach(forget));

// Actions
function forget(form) {
  if (form.matches("[data-forget]")) form.reset();
}
