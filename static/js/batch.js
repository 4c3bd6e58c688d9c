/** The page of a batch keeps itself up to date: its rows and counts change in place until every file has its outcome. */

import { showNames } from "./names.js";
import { follower } from "./upload/follow.js";
import { adopt, makeMember, show } from "./upload/rows.js";
import { draw } from "./upload/tools.js";

const root = document.querySelector("[data-batch]");
const list = root.querySelector("[data-files]");
const items = new Map([...root.querySelectorAll(".file")].map((element) => [element.dataset.id, adopt(element)]));

// Lifecycle
showNames();
if (list) {
  redraw();
  follower(root.dataset.batch, { receive, waiting: () => [...items.values()].filter((item) => !item.final).length, gone: () => location.reload() }).start();
}

// Private
function receive(uploads) {
  for (const upload of uploads) {
    if (!items.has(upload.id)) add(upload);
    show(items.get(upload.id), upload);
  }
  redraw();
}

/** Files of a ZIP that was opened meanwhile come after it; others (sent from the upload page) at the end. */
function add(upload) {
  const item = makeMember(upload);
  item.element.classList.toggle("file--member", Boolean(upload.parent));
  if (upload.parent) item.element.dataset.parent = upload.parent;
  const before = [...list.children].findLast((row) => upload.parent && [row.dataset.id, row.dataset.parent].includes(upload.parent));
  before ? before.after(item.element) : list.append(item.element);
  items.set(upload.id, item);
}

function redraw() {
  draw(() => [...items.values()]);
  for (const count of root.querySelectorAll("[data-count]")) {
    const n = [...items.values()].filter((item) => item.kind === count.dataset.count).length;
    count.querySelector("strong").textContent = String(n);
    count.hidden = !n;
  }
}
