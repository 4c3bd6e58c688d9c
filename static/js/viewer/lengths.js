/** How long a line is, and what its length may be called (rule D9): the server says what a pixel measures and in what words. */

export class Lengths {
  // Lifecycle

  /** @param {DOMStringMap} dataset `mmX` and `mmY`, a pixel's length along a row and along a column, in the unit of `mmWords` */
  constructor({ mmX, mmY, mmWords }) {
    this.x = Number(mmX);
    this.y = Number(mmY);
    this.words = mmWords;
    this.digits = mmWords === "px" ? 0 : 1;
  }

  // Actions

  /** Such as '48.2 mm, calibrated'. @param {import("./shapes.js").Point[]} points the two ends */
  read([[ax, ay], [bx, by]]) {
    const length = Math.hypot((bx - ax) * this.x, (by - ay) * this.y);
    return `${length.toFixed(this.digits)} ${this.words}`;
  }
}
