/** A table that says which film is of which patient: CSV with the columns file and patient. It is read here and never sent. */

/** `fits`: which files each name was found for. @typedef {{ rows: Map<string, string>, problem: string, paths: string[], fits: Map<string, string[]> }} Table */

/** @param {File} file */
export function isTable(file) {
  return /\.csv$/i.test(file.name);
}

/** @param {File} file @returns {Promise<Table>} */
export async function readTable(file) {
  const [head = [], ...lines] = parse((await file.text()).replace(/^\uFEFF/, ""));
  const empty = { rows: new Map(), paths: [], fits: new Map() };
  const columns = head.map((name) => name.trim().toLowerCase());
  const [name, patient] = [columns.indexOf("file"), columns.indexOf("patient")];
  if (name < 0 || patient < 0) return { ...empty, problem: `${file.name} has no columns file and patient, so it is not used.` };
  const rows = new Map();
  const twice = [];
  for (const line of lines) {
    const key = plain(line[name] ?? "");
    const number = (line[patient] ?? "").trim();
    if (!key) continue;
    if (rows.has(key) && rows.get(key) !== number) twice.push(key);
    rows.set(key, number);
  }
  for (const key of twice) rows.delete(key);
  const problem = twice.length ? `Named twice with different patients, so not used: ${list(twice)}.` : "";
  return { ...empty, rows, problem };
}

/** Files to be sent: called before the first of them is asked for. @param {Table} table @param {string[]} paths */
export function note(table, paths) {
  table.paths.push(...paths);
  for (const path of paths) {
    const key = keyOf(table, path);
    if (key !== null) table.fits.set(key, [...(table.fits.get(key) ?? []), path]);
  }
}

/** The number of one film, by its path or else by its name; a name that fits several files says nothing of any. */
export function numberOf(table, path) {
  const key = keyOf(table, path);
  return key === null || table.fits.get(key)?.length !== 1 ? "" : table.rows.get(key);
}

/** What the table found and what it did not, in words. @param {Table} table */
export function inWords(table) {
  const unused = [...table.rows.keys()].filter((key) => !table.fits.has(key));
  const without = table.paths.filter((path) => keyOf(table, path) === null);
  const several = [...table.fits].filter(([, paths]) => paths.length > 1).map(([key]) => key);
  const words = [`Table: ${table.fits.size} of ${table.rows.size} names found among ${table.paths.length} files.`];
  if (several.length) words.push(`Fits several files, so not used: ${list(several)}. Name the folder too, as in ward/film.png.`);
  if (unused.length) words.push(`In the table, not among the files: ${list(unused)}.`);
  if (without.length) words.push(`Not in the table, sent without its help: ${list(without)}.`);
  return words;
}

// Private
function keyOf(table, path) {
  const parts = plain(path).split("/");
  for (let from = 0; from < parts.length; from += 1) {
    const key = parts.slice(from).join("/");
    if (table.rows.has(key)) return key;
  }
  return null;
}

function plain(path) {
  return path.trim().replaceAll("\\", "/").replace(/^\.?\//, "").normalize("NFC");
}

function list(names, most = 12) {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** RFC 4180, with a comma, semicolon or tab between fields, whichever the first line has. @param {string} text */
function parse(text) {
  const first = text.slice(0, text.search(/[\r\n]|$/));
  const separator = [",", ";", "\t"].find((one) => first.includes(one)) ?? ",";
  const field = new RegExp(`("(?:[^"]|"")*"|[^${separator}\\r\\n]*)(${separator}|\\r\\n|\\r|\\n|$)`, "g");
  const lines = [[]];
  for (const [whole, value, end] of text.matchAll(field)) {
    if (!whole && !end) break;
    lines.at(-1).push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end !== separator && end) lines.push([]);
    if (!end) break;
  }
  return lines.filter((line) => line.some((value) => value.trim()));
}
