/** The names of the files in a ZIP, in the order of its directory. The server does not keep them, so they are read here. */

const TAIL = 22 + 0xffff;
const MOST_BYTES = 32_000_000;

/** @param {File} file */
export async function isArchive(file) {
  const head = new DataView(await file.slice(0, 4).arrayBuffer());
  return head.byteLength === 4 && [0x504b0304, 0x504b0506].includes(head.getUint32(0));
}

/** @param {File} file @returns {Promise<string[]>} empty if they cannot be read */
export async function namesInArchive(file) {
  try {
    const { at, size } = await directory(file);
    return size > MOST_BYTES ? [] : entries(await file.slice(at, at + size).arrayBuffer());
  } catch {
    return [];
  }
}

// Private
/** Where the central directory is: from its end record, or from that of ZIP64 (APPNOTE 4.3.14 to 4.3.16). */
async function directory(file) {
  const start = Math.max(0, file.size - TAIL);
  const tail = new DataView(await file.slice(start).arrayBuffer());
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end) !== 0x504b0506) end -= 1;
  const [size, at] = [tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)];
  if (size !== 0xffffffff && at !== 0xffffffff) return { at, size };
  const record = Number(tail.getBigUint64(end - 20 + 8, true));
  const large = new DataView(await file.slice(record, record + 56).arrayBuffer());
  return { at: Number(large.getBigUint64(48, true)), size: Number(large.getBigUint64(40, true)) };
}

function entries(buffer) {
  const view = new DataView(buffer);
  const names = [];
  for (let at = 0; at + 46 <= view.byteLength && view.getUint32(at) === 0x504b0102; ) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    names.push(decoded(new Uint8Array(buffer, at + 46, name)));
    at += 46 + name + extra + comment;
  }
  return names;
}

/** Names are UTF-8 or some old code page that the ZIP does not tell. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
