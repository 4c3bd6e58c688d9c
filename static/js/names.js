/** File names stay in this browser (they are never stored on the server): kept by upload, shown wherever one is listed. */

const KEY = "names-of-uploads";
const known = load();
let saving = false;

/** @param {string} upload @param {string} name */
export function keepName(upload, name) {
  known.set(upload, name);
  // Many come at once: one writing for all of them.
  if (!saving) setTimeout(save);
  saving = true;
}

/** The names inside a ZIP, before its files have uploads of their own. @param {string} upload of the ZIP @param {string[]} names */
export function keepNamesInside(upload, names) {
  names.forEach((name, position) => keepName(`${upload}:${position}`, name));
}

/** @param {{ id: string, parent: string | null, position: number }} upload @returns {string | undefined} */
export function nameOf({ id, parent, position }) {
  return known.get(id) ?? known.get(`${parent}:${position}`);
}

export function showNames() {
  for (const element of document.querySelectorAll("[data-name-of]")) {
    const name = known.get(element.dataset.nameOf) ?? known.get(element.dataset.nameInside);
    if (name) element.textContent = name;
  }
}

// Private
/** @returns {Map<string, string>} */
function load() {
  try {
    return new Map(Object.entries(JSON.parse(sessionStorage.getItem(KEY) ?? "{}")));
  } catch {
    return new Map();
  }
}

function save() {
  saving = false;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(known)));
  } catch {
    // Full: this page still knows them.
  }
}
