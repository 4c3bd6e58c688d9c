/**
 * What must be known of a film while it is looked at, in words on the stage: that the view was changed (rule D8), that not every pixel
 * is seen, and which side is which. L and R stand at the edges of what is seen and go along with flip and rotation.
 */

const INSET = 6;
// A film fitted to the stage by rounding is no smaller than its pixels.
const WHOLE = 0.995;
// Patient Orientation, first value, is where the right edge of the film points to; the second is its lower edge (PS3.3 C.7.6.1.1.1).
const OPPOSITE = { L: "R", R: "L" };

export class Badges {
  // Lifecycle

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.list = root.querySelector(".viewer__badges");
    const right = root.dataset.rightEdge;
    /** @type {[HTMLElement, number][]} a letter, and 1 at the film's right edge, 0 at its left */
    this.marks = OPPOSITE[right] ? [[this.#mark(right), 1], [this.#mark(OPPOSITE[right]), 0]] : [];
  }

  destroy() { for (const [mark] of this.marks) mark.remove(); }

  // Actions

  /** A layer's own: called at each paint. @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels */
  place(view, levels) {
    const words = changes(view, levels);
    write(this.root.querySelector("[data-changed]"), words.length ? `View changed: ${words.join(", ")}` : "");
    const shown = view.scale * devicePixelRatio;
    const percent = Math.round(shown * 100);
    write(this.root.querySelector("[data-minified]"), shown < WHOLE ? `Shown at ${percent} %: not every pixel is seen` : "");
    if (!this.marks.length) return;
    this.#measure(view.stage.width);
    for (const [mark, side] of this.marks) this.#put(mark, side, view);
  }

  // Private

  #mark(letter) {
    const mark = document.createElement("span");
    mark.className = "viewer__mark";
    mark.dataset.mark = letter;
    mark.textContent = letter;
    mark.ariaHidden = "true"; // the stage's own label says it in words
    mark.title = letter === "L" ? "The patient's left, as sent" : "The patient's right, as sent";
    this.root.querySelector("[data-stage]").append(mark);
    return mark;
  }

  /** At the middle of that edge of the film, or of the stage where the film's edge is out of sight. */
  #put(mark, side, view) {
    const { width, height } = view.film;
    const [x, y] = view.toStage(side * width, height / 2);
    const [fromX, fromY] = view.toStage((1 - side) * width, height / 2);
    const [outX, outY] = [Math.sign(Math.round(x - fromX)), Math.sign(Math.round(y - fromY))];
    const { width: w, height: h } = this.letter;
    const left = outX ? x - (outX > 0 ? w + INSET : -INSET) : x - w / 2;
    const top = outY ? y - (outY > 0 ? h + INSET : -INSET) : y - h / 2;
    mark.style.transform = `translate(${within(left, view.stage.width - w)}px,${within(top, view.stage.height - h - (outX ? 0 : this.below))}px)`;
  }

  /** Asking for sizes makes the browser lay out, so it is done only where they may have changed. */
  #measure(width) {
    const words = `${width} ${this.list.textContent}`;
    if (words === this.measured) return;
    this.measured = words;
    this.below = this.list.offsetHeight;
    this.letter = { width: this.marks[0][0].offsetWidth, height: this.marks[0][0].offsetHeight };
  }
}

/** What is changed against the film as it came: how it lies and what its greys are. @returns {string[]} */
export function changes(view, levels) {
  return [...view.changes(), ...levels.changes()];
}

// Private

function within(at, room) { return Math.min(Math.max(at, INSET), room - INSET); }

function write(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}
