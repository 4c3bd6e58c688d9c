/**
 * What the page does beyond its style sheet: switches that know of each other, a count, keys, and one film large.
 * Everything can be seen without it.
 */
"use strict";

const all = document.querySelector("#maps");
const each = [...document.querySelectorAll(".one")];
const cards = [...document.querySelectorAll(".card")];
const count = document.querySelector("[data-count]");
const large = document.querySelector(".large");
let current = -1;

const shown = () => cards.filter((card) => card.offsetParent !== null);

function say() {
  const n = shown().length;
  count.textContent = `${n} of ${cards.length} films`;
}

function setAll(on) {
  all.checked = on;
  for (const box of each) box.checked = on;
}

/** @param {number} step 1 for the next film that the filters leave, -1 for the one before */
function go(step) {
  const left = shown();
  if (!left.length) return;
  const at = left.indexOf(document.activeElement?.closest(".card"));
  const next = left[Math.min(Math.max(at < 0 ? (step > 0 ? 0 : left.length - 1) : at + step, 0), left.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function enlarge(card) {
  current = cards.indexOf(card);
  const pictures = [...card.querySelectorAll(".stage")].map((stage) => stage.cloneNode(true));
  large.querySelector(".large__pictures").replaceChildren(...pictures);
  const facts = card.querySelector(".facts").cloneNode(true);
  for (const named of facts.querySelectorAll("[id]")) named.removeAttribute("id");
  large.querySelector(".large__facts").replaceChildren(facts);
  const group = card.closest(".group").querySelector("h2").firstChild.textContent.trim();
  const left = shown();
  large.querySelector("#large-title").textContent = `${group} · film ${left.indexOf(card) + 1} of ${left.length}`;
  if (!large.open) large.showModal();
  large.scrollTop = 0;
}

function turn(step) {
  const left = shown();
  const next = left[left.indexOf(cards[current]) + step];
  if (next) enlarge(next);
}

all.addEventListener("change", () => setAll(all.checked));
for (const box of each) box.addEventListener("change", () => { all.checked = each.every((one) => one.checked); });
document.querySelector(".bar").addEventListener("change", say);
document.querySelector(".bar").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  const link = event.target.closest(".enlarge, .card .stage");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  enlarge(link.closest(".card"));
});
large.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.step) turn(Number(button.dataset.step));
  if (button && "close" in button.dataset) large.close();
});
large.addEventListener("close", () => cards[current]?.focus());

const KEYS = {
  h: () => setAll(!all.checked),
  l: () => document.querySelector("#lungs").click(),
  j: () => (large.open ? turn(1) : go(1)),
  k: () => (large.open ? turn(-1) : go(-1)),
  ArrowRight: () => large.open && turn(1),
  ArrowLeft: () => large.open && turn(-1),
  m: () => document.activeElement?.closest(".card")?.querySelector(".one").click(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Enter" && event.target.matches(".card")) {
    event.preventDefault(); // else the button that the dialog puts the focus on is pressed by the same key
    enlarge(event.target);
    return;
  }
  const radio = event.target.matches("input[type=radio]") && event.key.startsWith("Arrow");
  if (radio || !Object.hasOwn(KEYS, event.key)) return;
  KEYS[event.key]();
});
window.addEventListener("beforeprint", () => { document.querySelector(".how").open = true; });
say();
