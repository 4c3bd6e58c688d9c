/**
 * Sends films: by drop anywhere on the page, paste, or the file dialog; one request a file, three at a time, each with its
 * progress and its outcome in words. A single film leads on to its study as soon as it is accepted.
 */

import { keepName } from "./names.js";

const AT_ONCE = 3;
const PATIENCE_S = [...Array(12).fill(0.15), 0.5, 1];
const NOT_RECEIVED = "Not received. Keep the file and try again (only 'accepted' means stored).";

const form = document.querySelector("[data-upload]");
const list = document.querySelector("[data-files]");
const queue = [];
let sending = 0;
let batch = null;
let sent = 0;
let stayed = false;

// Lifecycle
if (form) {
  form.classList.add("is-live");
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
  addEventListener("paste", (event) => add([...(event.clipboardData?.files ?? [])]));
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("is-dragging"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("is-dragging"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("is-dragging");
    add([...(event.dataTransfer?.files ?? [])]);
  });
  addEventListener("beforeunload", (event) => { if (sending || queue.length) event.preventDefault(); });
}

// Actions
/** @param {File[]} files */
function add(files) {
  if (!files.length) return;
  document.querySelector("[data-sent]").hidden = false;
  form.classList.add("has-sent");
  if (sent || queue.length || files.length > 1) stayed = true;
  for (const file of files) queue.push(row(file));
  pump();
}

async function pump() {
  if (sending >= AT_ONCE || !queue.length) return;
  const item = queue.shift();
  sending += 1;
  try {
    await openBatch();
    await send(item);
  } catch {
    outcome(item, { sentence: NOT_RECEIVED, tone: "failed" });
    item.again.hidden = false;
  }
  sending -= 1;
  // Leaving for the batch's page earlier would cut off what is still on its way.
  document.querySelector("[data-batch-link]").hidden = Boolean(sending || queue.length || !batch);
  pump();
  pump();
}

/** The first request makes the batch; requests that come meanwhile wait for the same answer. */
function openBatch() {
  batch ??= post(new FormData(form), () => {}).then((answer) => {
    document.querySelector("[data-batch-link]").href = answer.batch_url;
    return answer.batch;
  });
  batch.catch(() => { batch = null; });
  return batch;
}

async function send(item) {
  const data = new FormData(form);
  data.delete("file");
  data.set("batch", await batch);
  data.set("position", String(sent++));
  data.set("file", item.file, "film");
  outcome(item, { sentence: "Sending…", tone: "waiting" });
  const answer = await post(data, (share) => { item.progress.value = share * 100; }, item);
  const [upload] = answer.uploads;
  item.cancel.hidden = true;
  item.progress.hidden = true;
  keepName(upload.id, item.file.name);
  follow(item, upload);
}

/** Ask until the outcome is final: soon at first, then every two seconds, and not while nobody looks. */
async function follow(item, upload) {
  for (let turn = 0; !upload.is_final; turn += 1) {
    show(item, upload);
    if (leave(upload)) return;
    await pause(PATIENCE_S[turn] ?? 2);
    if (document.hidden) continue;
    try {
      const answer = await fetch(upload.url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (answer.ok) upload = await answer.json();
    } catch {
      // The row on the server is what counts; the next turn asks again.
    }
  }
  show(item, upload);
  leave(upload);
}

// Private
/** A single film leads on to its study, where the answer appears by itself. */
function leave(upload) {
  if (stayed || !upload.study_url) return false;
  location.assign(upload.study_url);
  return true;
}

function show(item, upload) {
  const tone = upload.finding?.tone ?? (upload.is_final ? "failed" : "waiting");
  const words = upload.finding ? `${upload.finding.lead} ${upload.status === "duplicate" ? upload.sentence : ""}` : upload.sentence;
  outcome(item, { sentence: words, tone });
  if (upload.study_url) { item.open.href = upload.study_url; item.open.hidden = false; }
  if (upload.thumbnail_url && !item.film.firstChild) {
    const image = new Image();
    image.alt = "";
    image.src = upload.thumbnail_url;
    item.film.append(image);
  }
  if (upload.is_final) document.querySelector("[data-announce]").textContent = `${item.file.name}: ${words}`;
}

function outcome(item, { sentence, tone }) {
  item.outcome.textContent = sentence;
  item.sign.replaceChildren(document.getElementById(`tone-${tone}`).content.cloneNode(true));
}

function row(file) {
  const element = document.getElementById("file-row").content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(`[data-${name}]`);
  const item = {
    file, element, name: part("name"), film: part("film"), sign: part("sign"), outcome: part("outcome"), open: part("open"),
    cancel: part("cancel"), again: part("again"), progress: part("progress"), request: null,
  };
  item.name.textContent = file.name;
  item.cancel.setAttribute("aria-label", `Cancel ${file.name}`);
  item.open.setAttribute("aria-label", `Open study of ${file.name}`);
  item.cancel.addEventListener("click", () => cancel(item));
  item.again.addEventListener("click", () => { item.again.hidden = true; queue.push(item); pump(); });
  outcome(item, { sentence: "Waiting to be sent", tone: "waiting" });
  list.append(element);
  return item;
}

function cancel(item) {
  const at = queue.indexOf(item);
  if (at >= 0) queue.splice(at, 1);
  item.request?.abort();
  item.element.remove();
}

/** @returns {Promise<any>} the JSON answer; rejects when nothing was received */
function post(data, progress, item = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    if (item) item.request = request;
    if (!item) data.delete("file");
    request.open("POST", form.getAttribute("action"));
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => (request.status === 201 ? resolve(JSON.parse(request.responseText)) : reject(new Error(String(request.status)))));
    for (const failure of ["error", "abort", "timeout"]) request.addEventListener(failure, () => reject(new Error(failure)));
    request.send(data);
  });
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
