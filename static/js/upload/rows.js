/** The row of one file, on the upload page and on the page of a batch: what it says, and what can be done with it. */

import { nameOf } from "../names.js";

const PARTS = ["name", "patient", "film", "sign", "outcome", "remarks", "open", "cancel", "again", "progress"];

/** @typedef {{ element: HTMLElement, id: string, tone: string, final: boolean, kind: string, state: "unsent" | "sent" | "failed" }} Item */

/** A new row that is not in the page yet. @param {string} name */
export function makeRow(name) {
  const item = adopt(document.getElementById("file-row").content.firstElementChild.cloneNode(true));
  rename(item, name);
  return item;
}

/** A row that the server rendered. @param {HTMLElement} element @returns {Item} */
export function adopt(element) {
  const item = { element, id: element.dataset.id ?? "", tone: element.dataset.tone ?? "", final: element.dataset.final === "yes", kind: element.dataset.kind ?? "", state: "sent" };
  for (const part of PARTS) item[part] = element.querySelector(`[data-${part}]`);
  return item;
}

export function rename(item, name) {
  item.name.textContent = name;
  item.cancel?.setAttribute("aria-label", `Cancel ${name}`);
  item.again?.setAttribute("aria-label", `Try again ${name}`);
  item.open.setAttribute("aria-label", `Open study of ${name}`);
}

/** What the server says of an upload. Touches only what differs: a batch may have hundreds of rows. */
export function show(item, upload) {
  item.state = "sent";
  item.final = upload.is_final;
  item.kind = upload.outcome;
  outcome(item, { sentence: upload.words, tone: upload.tone });
  if (upload.study_url && item.open.hidden) { item.open.href = upload.study_url; item.open.hidden = false; }
  if (upload.thumbnail_url && !item.film.firstChild) item.film.append(thumbnail(upload.thumbnail_url));
  if (upload.remarks.length !== item.remarks.children.length) {
    item.remarks.replaceChildren(...upload.remarks.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
    item.remarks.hidden = !upload.remarks.length;
  }
}

export function outcome(item, { sentence, tone }) {
  if (item.outcome.textContent !== sentence) item.outcome.textContent = sentence;
  if (item.tone === tone) return;
  item.tone = tone;
  item.element.dataset.tone = tone;
  item.sign.replaceChildren(document.getElementById(`tone-${tone}`).content.cloneNode(true));
}

/** The row of a file in a ZIP, for which the server made an upload of its own. */
export function makeMember(upload) {
  const item = makeRow(nameOf(upload) ?? `File ${upload.position + 1}${upload.parent ? " of the ZIP" : ""}`);
  item.id = upload.id;
  item.element.classList.add("file--member");
  for (const part of [item.cancel, item.again, item.progress]) part.hidden = true;
  return item;
}

// Private
function thumbnail(address) {
  const image = new Image();
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.src = address;
  return image;
}
