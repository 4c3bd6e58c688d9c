/**
 * htmx asks the server for what is live on a page; here it learns to rest while nobody looks. A request of a hidden tab is
 * dropped, and on return every element that waits is woken (`hx-trigger="…, wake from:body"`). What arrives in `[data-aloud]` is
 * said in one status region that stays: a region that is itself replaced is not read by screen readers. A server that does not
 * answer is asked again, and the page says so meanwhile. When a part answers with another page (the session has ended) or is no
 * longer for this user, the whole page is loaded anew, which says why.
 */

const RETRY_MS = 2000;
let retry = null;

// Lifecycle
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.requestConfig.verb === "get") event.preventDefault();
});
document.addEventListener("htmx:afterSwap", () => {
  const region = document.querySelector("[data-aloud-region]");
  const words = document.querySelector("#main [data-aloud]")?.textContent.replace(/\s+/g, " ").trim() ?? "";
  if (region && region.textContent !== words) region.textContent = words;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (!xhr.responseURL || new URL(xhr.responseURL).pathname === new URL(requestConfig.path, location.href).pathname) return;
  event.detail.shouldSwap = false;
  reload();
});
for (const failure of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(failure, lose);
// Pages that ask by themselves say the same by these two.
document.addEventListener("server:lost", lose);
document.addEventListener("server:found", find);
document.addEventListener("htmx:responseError", (event) => (event.detail.xhr.status < 500 ? reload() : lose()));
document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.successful) find(); });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wake();
});

// Actions
/** Part of a page may ask only once (`load`), so after a failure all are woken again, however many of them failed. */
function lose() {
  const region = document.querySelector("[data-lost]");
  if (region && !region.firstChild) region.append(document.getElementById("lost").content.cloneNode(true));
  retry ??= setTimeout(() => { retry = null; wake(); }, RETRY_MS);
}

function find() {
  document.querySelector("[data-lost]")?.replaceChildren();
}

/** A page that holds what is not stored yet keeps itself, and says why. */
function reload() {
  if (document.dispatchEvent(new CustomEvent("page:leaving", { cancelable: true }))) location.reload();
}

function wake() {
  document.body.dispatchEvent(new CustomEvent("wake"));
}
