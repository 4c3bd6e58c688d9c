/** How many suspects are chosen, and what the button would do with them. Without this script the button counts what was chosen at first. */

const form = document.querySelector("[data-suspects]");

// Lifecycle
form?.addEventListener("change", ({ target }) => {
  if (target.matches("[data-tick-all]")) for (const tick of ticks()) tick.checked = target.checked;
  redraw();
});
form?.addEventListener("submit", () => { button().disabled = true; });
addEventListener("pageshow", () => { if (form && button()) redraw(); });

// Private
function ticks() { return [...form.querySelectorAll("[data-tick]")]; }
function button() { return form.querySelector("[data-put]"); }
function studies(n, kind, kinds) { return `${n} ${n === 1 ? kind : kinds}`; }

function redraw() {
  const n = ticks().filter((tick) => tick.checked).length;
  const beside = Math.min(n, Number(form.dataset.nBeside));
  const all = form.querySelector("[data-tick-all]");
  button().disabled = n === 0;
  button().textContent = `Put ${studies(n, "suspect", "suspects")} and ${studies(beside, "random study", "random studies")} on the worklist`;
  all.closest("label").hidden = false;
  all.checked = n > 0 && n === ticks().length;
  all.indeterminate = n > 0 && !all.checked;
}
