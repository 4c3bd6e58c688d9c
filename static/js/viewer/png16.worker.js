/**
 * Decodes our own lossless renditions (gray PNG, 8 or 16 bit, not interlaced; PNG specification, third edition, 5 to 10) off the
 * main thread. { url } in; { width, height, levels } or { error } out. `levels` is the film and its halves (each pixel the mean of
 * four), which lets a painter show a large film small without leaving out what lies between.
 * @typedef {{ width: number, height: number, pixels: Uint16Array }} Plane
 */

const SMALLEST = 128;

// Lifecycle

addEventListener("message", async ({ data }) => {
  try {
    const plane = await decode(await fetched(data.url));
    const levels = halved(plane);
    postMessage({ width: plane.width, height: plane.height, levels }, levels.map(({ pixels }) => pixels.buffer));
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
});

// Private

async function fetched(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the film could not be fetched (${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** @param {Uint8Array} file @returns {Promise<Plane>} */
async function decode(file) {
  const view = new DataView(file.buffer);
  const header = { width: view.getUint32(16), height: view.getUint32(20), depth: file[24], colour: file[25], interlace: file[28] };
  if (header.colour !== 0 || header.interlace !== 0 || ![8, 16].includes(header.depth)) throw new Error("this is no gray film");
  const bytes = await inflated(chunks(file, view));
  if (bytes.length < (header.width * header.depth / 8 + 1) * header.height) throw new Error("the film ends too early");
  return { width: header.width, height: header.height, pixels: unfiltered(bytes, header) };
}

function chunks(file, view) {
  const found = [];
  for (let at = 8; at + 12 <= file.length; at += view.getUint32(at) + 12) {
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (type === "IDAT") found.push(file.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  return found;
}

async function inflated(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undoes the filter of each line (section 9.2) and joins bytes to grey levels. */
function unfiltered(bytes, { width, height, depth }) {
  const step = depth / 8;
  const stride = width * step;
  const pixels = new Uint16Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const start = y * (stride + 1);
    const line = bytes.subarray(start + 1, start + 1 + stride);
    undo(bytes[start], line, above, step);
    const to = y * width;
    if (step === 1) pixels.set(line, to);
    else for (let x = 0; x < width; x += 1) pixels[to + x] = (line[2 * x] << 8) | line[2 * x + 1];
    above = line;
  }
  return pixels;
}

function undo(filter, line, above, step) {
  const n = line.length;
  if (filter === 1) for (let i = step; i < n; i += 1) line[i] += line[i - step];
  else if (filter === 2) for (let i = 0; i < n; i += 1) line[i] += above[i];
  else if (filter === 3) for (let i = 0; i < n; i += 1) line[i] += ((i < step ? 0 : line[i - step]) + above[i]) >> 1;
  else if (filter === 4) for (let i = 0; i < n; i += 1) line[i] += paeth(i < step ? 0 : line[i - step], above[i], i < step ? 0 : above[i - step]);
}

function paeth(a, b, c) {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** @param {Plane} plane @returns {Plane[]} the plane, its half, the half of that … */
function halved(plane) {
  const levels = [plane];
  for (let last = plane; Math.min(last.width, last.height) >= 2 * SMALLEST; levels.push(last)) last = half(last);
  return levels;
}

/** Pixel (x, y) of a half covers the pixels from (2x, 2y) to (2x + 1, 2y + 1): a last odd line or column is left out. */
function half({ width, height, pixels }) {
  const small = { width: width >> 1, height: height >> 1, pixels: new Uint16Array((width >> 1) * (height >> 1)) };
  for (let y = 0; y < small.height; y += 1) {
    const [to, from] = [y * small.width, 2 * y * width];
    for (let x = 0; x < small.width; x += 1) {
      const at = from + 2 * x;
      small.pixels[to + x] = (pixels[at] + pixels[at + 1] + pixels[at + width] + pixels[at + width + 1] + 2) >> 2;
    }
  }
  return small;
}
