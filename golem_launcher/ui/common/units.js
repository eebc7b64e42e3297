// How numbers are written for people; golem_launcher/units.py does it for everything that is not a script.

/**
 * Seconds as 0.4 s, 12 s, 3:05, 1:02:03.
 *
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/**
 * Seconds ago, in the one unit that matters.
 *
 * @param {number} seconds
 */
export function formatAgo(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  return `${Math.floor(whole / 3600)} h ago`;
}

/** @param {string} iso */
export function formatClock(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
  return today
    ? time.toLocaleTimeString([], clock)
    : time.toLocaleString([], { ...clock, month: "short", day: "numeric" });
}

/**
 * Bytes as 3 MB, 1.4 GB: units of a thousand, as disks and downloads are told.
 *
 * @param {number} count
 */
export function formatBytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count < 9.95 && unit ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

/**
 * A small amount of money with the digits that matter.
 *
 * @param {number} value
 */
export function formatAmount(value) {
  if (value === 0) return "0";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/**
 * `1 file`, `2,345 files`; `several` is for what takes more than an s: `1 file is`, `2 files are`.
 *
 * @param {number} number
 * @param {string} one
 */
export function counted(number, one, several = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}
