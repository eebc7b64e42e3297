// How far a transfer of the page's own is, how fast and how long still; golem_launcher/progress_rate.py says it of the others.

import { formatBytes, formatBytesOf, formatLength } from "./format.js";

const OF_LATE_MS = 10_000; // the speed that is told is that of the last so many
const LEAST_MS = 900;

/** The speed of one transfer. */
export class Speed {
  constructor() {
    this.seen = /** @type {[number, number][]} */ ([]); // when, and how much was done by then
  }

  /**
   * Bytes a second, now that so many are done; 0 while it is not known, or when it began again.
   *
   * @param {number} done
   */
  at(done, now = performance.now()) {
    if (this.seen.length > 0 && done < this.seen[this.seen.length - 1][1]) this.seen = [];
    this.seen.push([now, done]);
    while (this.seen.length > 2 && now - this.seen[1][0] >= OF_LATE_MS) this.seen.shift();
    const [began, before] = this.seen[0];
    return now - began >= LEAST_MS ? ((done - before) * 1000) / (now - began) : 0;
  }

  /**
   * For a person: 12.0 of 86.0 MiB (14 %), 1.2 MiB/s, 62 s left.
   *
   * @param {number} done
   * @param {number} total
   */
  figures(done, total, now = performance.now()) {
    const rate = this.at(done, now);
    const far = `${formatBytesOf(done, total)} (${total ? Math.floor((100 * done) / total) : 100} %)`;
    if (rate <= 0) return far;
    return `${far}, ${formatBytes(rate)}/s, ${formatLength((total - done) / rate)} left`;
  }
}
