/** Every file of a drop, folders opened to the bottom; what operating systems put beside films is left out. */

const OF_SYSTEMS = new Set(["__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "dicomdir", "$recycle.bin"]);

/** @typedef {{ file: File, path: string }} Found */

/** @param {DataTransfer} transfer @returns {Promise<Found[]>} */
export async function droppedFiles(transfer) {
  // Entries can be asked for only while the event lasts.
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return wanted(found);
}

/** @param {FileList} files @returns {Found[]} */
export function chosenFiles(files) {
  return wanted([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

/** The name of the folder that a file lies in. @param {string} path */
export function folderOf(path) {
  return path.split("/").at(-2) ?? "";
}

// Private
/** A single file is taken whatever its name is: somebody chose it. @param {Found[]} found */
function wanted(found) {
  return found.filter(({ path }) => !path.includes("/") || !path.split("/").some((part) => part.startsWith(".") || OF_SYSTEMS.has(part.toLowerCase())));
}

async function collect(entry, found) {
  if (entry instanceof File) found.push({ file: entry, path: entry.name });
  else if (entry?.isFile) found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path: entry.fullPath.replace(/^\//, "") });
  else if (entry?.isDirectory) for (const child of await children(entry)) await collect(child, found);
}

/** A reader gives at most a hundred at a time, and nothing at the end. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    all.push(...some);
  }
}
