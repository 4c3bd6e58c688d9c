/** What stands above the files: how many have their outcome, and the filter for those that need attention. */

const ANNOUNCE_MS = 5000;
const root = document.querySelector("[data-tools]");
const part = (name) => root.querySelector(`[data-${name}]`);
let drawn = false;
let announced = "";
let announcing = null;

/** Draw once a frame, however many rows changed. @param {() => import("./rows.js").Item[]} items */
export function draw(items) {
  if (drawn || !root) return;
  drawn = true;
  requestAnimationFrame(() => { drawn = false; show(items()); });
}

export function needsAttention(item) {
  return item.state === "failed" || (item.final && item.tone === "failed");
}

// Lifecycle
root && part("attention").addEventListener("click", () => {
  const on = part("attention").getAttribute("aria-pressed") !== "true";
  part("attention").setAttribute("aria-pressed", String(on));
  document.querySelector("[data-files]").classList.toggle("sent--attention", on);
});

// Private
function show(items) {
  const final = items.filter((item) => item.state === "sent" && item.final).length;
  const unsent = items.filter((item) => item.state === "unsent").length;
  const failed = items.filter((item) => item.state === "failed").length;
  const attention = items.filter(needsAttention).length;
  for (const item of items) item.element.toggleAttribute("data-attention", needsAttention(item));
  const line = `${final} of ${items.length} have their outcome`;
  part("status").textContent = line;
  part("unsent").textContent = [unsent && `${unsent} still to be sent`, failed && `${failed} not received`].filter(Boolean).join(" · ");
  Object.assign(part("total"), { max: Math.max(1, items.length), value: final });
  part("attention-count").textContent = String(attention);
  part("attention").hidden = !attention && part("attention").getAttribute("aria-pressed") !== "true";
  part("again-all").hidden = failed < 2;
  part("again-all").textContent = `Try again: ${failed} files`;
  part("cancel-all").hidden = unsent < 2;
  announce(items.length === 1 && final ? items[0].outcome.textContent : line, final === items.length);
}

/** Said aloud now and then and at the end, not at every file. */
function announce(words, isLast) {
  clearTimeout(isLast ? announcing : null);
  if (isLast) announcing = null;
  const say = () => { announcing = null; if (announced !== words) part("announce").textContent = announced = words; };
  if (isLast) say();
  else announcing ??= setTimeout(say, ANNOUNCE_MS);
}
