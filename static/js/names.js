/** File names stay in this browser (they are never stored on the server): kept by upload, shown wherever one is listed. */

const KEY = "names-of-uploads";

/** @param {string} upload @param {string} name */
export function keepName(upload, name) {
  sessionStorage.setItem(KEY, JSON.stringify({ ...names(), [upload]: name }));
}

export function showNames() {
  const known = names();
  for (const element of document.querySelectorAll("[data-name-of]")) {
    const name = known[element.dataset.nameOf];
    if (name) element.textContent = name;
  }
}

// Lifecycle
showNames();
document.addEventListener("htmx:afterSwap", showNames);

// Private
/** @returns {Record<string, string>} */
function names() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}
