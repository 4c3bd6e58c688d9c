/**
 * Sends films: by drop anywhere on the page (folders too), paste, or the dialogs; one request a file, three at a time, each with
 * its progress and its outcome in words. A single film leads on to its study as soon as it is accepted.
 */

import { keepName, keepNamesInside } from "./names.js";
import { isArchive, namesInArchive } from "./upload/archive.js";
import { follower } from "./upload/follow.js";
import { chosenFiles, droppedFiles, folderOf } from "./upload/folders.js";
import { makeMember, makeRow, outcome, show } from "./upload/rows.js";
import { inWords, isTable, note, numberOf, readTable } from "./upload/table.js";
import { draw } from "./upload/tools.js";

const AT_ONCE = 3;
const ROWS_A_FRAME = 40;
const NOT_RECEIVED = "Not received. Keep the file and try again (only 'accepted' means stored).";
// The hour's films are used up, or the disk is full: what is still to be sent need not try.
const NOT_NOW = [429, 507];

const form = document.querySelector("[data-upload]");
const list = document.querySelector("[data-files]");
const part = (name) => document.querySelector(`[data-${name}]`);
const items = new Set();
const byUpload = new Map();
const queue = [];
let sending = 0;
let batch = null;
let following = null;
let sent = 0;
let stayed = false;
let left = false;
let table = null;

// Lifecycle
if (form) {
  form.classList.add("is-live");
  for (const input of form.querySelectorAll("#file, #folder")) {
    input.addEventListener("change", () => { add(chosenFiles(input.files)); input.value = ""; });
  }
  part("table").addEventListener("change", async ({ target }) => { await useTable(target.files[0]); target.value = ""; });
  addEventListener("paste", (event) => {
    const files = chosenFiles(event.clipboardData?.files ?? []);
    // A copied number is typed into a field; only files are sent.
    if (files.length) { event.preventDefault(); add(files); }
  });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("is-dragging"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("is-dragging"); });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("is-dragging");
    add(await droppedFiles(event.dataTransfer));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  part("cancel-all").addEventListener("click", () => { for (const item of [...items]) if (item.state === "unsent") cancel(item); });
  part("again-all").addEventListener("click", () => { for (const item of items) if (item.state === "failed") again(item); });
  addEventListener("beforeunload", (event) => { if (sending || queue.length) event.preventDefault(); });
}

// Actions
/** @param {import("./upload/folders.js").Found[]} found */
async function add(found) {
  for (const { file } of found.filter(({ file }) => isTable(file))) await useTable(file);
  const films = found.filter(({ file }) => !isTable(file));
  if (!films.length) return;
  const typed = takeTyped();
  if (sent || sending || queue.length || films.length > 1) stayed = true;
  part("sent").hidden = false;
  form.classList.add("has-sent");
  if (table) { note(table, films.map(({ path }) => path)); sayTable(); }
  for (let from = 0; from < films.length; from += ROWS_A_FRAME) {
    if (from) await frame();
    append(films.slice(from, from + ROWS_A_FRAME).map((film) => waitingRow(film, typed)));
    pump();
    pump();
    pump();
  }
}

/** The number is for one drop: left in its field, it would name the next patient's films too. */
function takeTyped() {
  const field = part("typed");
  const number = field.value.trim();
  field.value = "";
  return number;
}

async function useTable(file) {
  if (!file) return;
  table = await readTable(file);
  sayTable();
  if (!table.rows.size) table = null;
}

async function pump() {
  if (sending >= AT_ONCE || !queue.length) return;
  const item = queue.shift();
  sending += 1;
  try {
    await openBatch();
    await send(item);
  } catch (error) {
    fail(item, error);
  }
  sending -= 1;
  // Leaving for the batch's page earlier would cut off what is still on its way.
  part("batch-link").hidden = Boolean(sending || queue.length || !batch);
  redraw();
  pump();
  pump();
}

/** The first request makes the batch; requests that come meanwhile wait for the same answer. */
function openBatch() {
  batch ??= post(fields()).then((answer) => {
    part("batch-link").href = answer.batch_url;
    following = follower(answer.changes_url, { receive, waiting });
    return answer.batch;
  });
  batch.catch(() => { batch = null; });
  return batch;
}

async function send(item) {
  const data = fields();
  data.set("batch", await batch);
  data.set("position", String(sent++));
  data.set("patient", item.number);
  data.set("origin", item.origin);
  data.set("file", item.file, "film");
  outcome(item, { sentence: "Sending…", tone: "waiting" });
  item.progress.hidden = false;
  const inside = (await isArchive(item.file)) ? await namesInArchive(item.file) : [];
  if (item.cancelled) return;
  const [upload] = (await post(data, item)).uploads;
  item.cancel.hidden = item.progress.hidden = true;
  item.id = upload.id;
  byUpload.set(upload.id, item);
  keepName(upload.id, item.shown);
  keepNamesInside(upload.id, inside);
  if (item.number && !upload.has_reference) sayPatient(item, `Patient number ${item.number} names nobody: sent without one.`);
  receive([upload]);
  following.start();
}

/** What changed in the batch, files of ZIPs among it. */
function receive(uploads) {
  for (const upload of uploads) {
    const item = byUpload.get(upload.id) ?? member(upload);
    if (!item) continue;
    show(item, upload);
    if (leave(upload)) return;
  }
  redraw();
}

function waiting() {
  return [...byUpload.values()].filter((item) => !item.final).length;
}

function again(item) {
  item.again.hidden = true;
  item.cancel.hidden = false;
  item.state = "unsent";
  outcome(item, { sentence: "Waiting to be sent", tone: "waiting" });
  queue.push(item);
  redraw();
  pump();
}

function cancel(item) {
  const at = queue.indexOf(item);
  if (at >= 0) queue.splice(at, 1);
  item.cancelled = true;
  item.request?.abort();
  item.element.remove();
  items.delete(item);
  redraw();
}

// Private
/** A single film leads on to its study, where the answer appears by itself. Once: going there again would begin anew. */
function leave(upload) {
  if (stayed || left || !upload.study_url) return false;
  left = true;
  location.assign(upload.study_url);
  return true;
}

/** A row for a file of a ZIP that came from here, below those that are there already. */
function member(upload) {
  const parent = byUpload.get(upload.parent);
  if (!parent) return null;
  stayed = true;
  const item = makeMember(upload);
  (parent.last ?? parent).element.after(item.element);
  parent.last = item;
  byUpload.set(upload.id, item);
  items.add(item);
  return item;
}

function waitingRow({ file, path }, typed) {
  const item = makeRow(path);
  Object.assign(item, { file, shown: path, state: "unsent", final: false, request: null, ...patientOf(path, typed) });
  if (item.number) sayPatient(item, `Patient ${item.number} (${{ typed: "typed", folder: "its folder", table: "the table" }[item.origin]})`);
  item.cancel.addEventListener("click", () => cancel(item));
  item.again.addEventListener("click", () => again(item));
  outcome(item, { sentence: "Waiting to be sent", tone: "waiting" });
  return item;
}

/** The table knows best, then the folder, then what was typed. With the switch on, a ZIP's own folders count too. */
function patientOf(path, typed) {
  const inTable = table ? numberOf(table, path) : "";
  if (inTable) return { number: inTable, origin: "table" };
  if (part("folders").checked && (folderOf(path) || /\.zip$/i.test(path))) return { number: folderOf(path) || typed, origin: "folder" };
  return { number: typed, origin: "typed" };
}

function sayPatient(item, words) {
  item.patient.textContent = words;
  item.patient.hidden = false;
}

function sayTable() {
  const words = [table.problem, ...(table.rows.size ? inWords(table) : [])].filter(Boolean);
  part("table-said").replaceChildren(...words.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
}

function append(rows) {
  for (const item of rows) { items.add(item); queue.push(item); }
  list.append(...rows.map((item) => item.element));
  redraw();
}

function fail(item, error) {
  if (item.cancelled) return;
  const failed = NOT_NOW.includes(error.status) ? [item, ...queue.splice(0)] : [item];
  for (const one of failed) {
    one.state = "failed";
    outcome(one, { sentence: error.sentence ?? NOT_RECEIVED, tone: "failed" });
    one.again.hidden = false;
    one.cancel.hidden = one.progress.hidden = true;
  }
}

function redraw() {
  draw(() => [...items]);
}

/** The form's own fields; the files and the patient are added one by one. */
function fields() {
  const data = new FormData(form);
  data.delete("file");
  data.delete("patient");
  return data;
}

/** @returns {Promise<any>} the JSON answer; rejects when nothing was received, with the server's sentence if it gave one */
function post(data, item = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    if (item) {
      item.request = request;
      request.upload.addEventListener("progress", (event) => { item.progress.value = (event.loaded / event.total) * 100; });
    }
    request.open("POST", form.getAttribute("action"));
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(request.response);
      else reject(Object.assign(new Error(String(request.status)), { status: request.status, sentence: request.response?.sentence }));
    });
    for (const failure of ["error", "abort", "timeout"]) request.addEventListener(failure, () => reject(new Error(failure)));
    request.send(data);
  });
}

function frame() {
  return new Promise((resolve) => { setTimeout(resolve); });
}
