// How numbers, sizes and times are written for people; golem_launcher/units.py does it for everything that is no script.

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

/**
 * A moment by the reader's own clock, with its zone; its day where that is another one.
 *
 * @param {string} iso
 */
export function formatClock(iso) {
  const [time, now] = [new Date(iso), new Date()];
  /** @type {Intl.DateTimeFormatOptions} */
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short" };
  if (now.toDateString() === time.toDateString()) return time.toLocaleTimeString([], clock);
  /** @type {Intl.DateTimeFormatOptions} */
  const day = { month: "short", day: "numeric" };
  const year = now.getFullYear() === time.getFullYear() ? undefined : "numeric";
  return time.toLocaleString([], { ...clock, ...day, year });
}

/** Units of 1024, each with the decimals that are told. */
const SIZES = /** @type {const} */ ([
  ["KiB", 0],
  ["MiB", 1],
  ["GiB", 1],
  ["TiB", 1],
]);

/**
 * `12 bytes`, `320 KiB`, `3.4 MiB`: in the units in which memory and disk are asked for.
 *
 * @param {number} size
 */
export function formatBytes(size) {
  let told = Math.round(size);
  if (told < 1024) return counted(told, "byte");
  let words = "";
  let value = size;
  for (const [unit, decimals] of SIZES) {
    value /= 1024;
    told = Math.round(value * 10 ** decimals) / 10 ** decimals;
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    words = `${told.toLocaleString("en", digits)} ${unit}`;
    if (told < 1024) break;
  }
  return words;
}

/**
 * `12.0 of 86.0 MiB`: both in the unit of the whole.
 *
 * @param {number} done
 * @param {number} total
 */
export function formatBytesOf(done, total) {
  const words = formatBytes(total);
  const power = SIZES.findIndex(([unit]) => words.endsWith(` ${unit}`));
  if (power < 0) return `${Math.round(done)} of ${words}`;
  const digits = { minimumFractionDigits: SIZES[power][1], maximumFractionDigits: SIZES[power][1] };
  const scale = 10 ** SIZES[power][1];
  const told = Math.round((done / 1024 ** (power + 1)) * scale) / scale;
  return `${told.toLocaleString("en", digits)} of ${words}`;
}

/**
 * `45 s`, `12 min`, `2.5 h`, `4 days`: a length of time in the one unit that matters.
 *
 * @param {number} seconds
 */
export function formatLength(seconds) {
  if (seconds < 89.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = seconds / 3600;
  if (hours < 100) return `${Math.round(hours * 100) / 100} h`;
  return `${Math.round(hours / 24).toLocaleString("en")} days`;
}

/**
 * An amount of money with the three digits that count, and no exponent.
 *
 * @param {number} value
 */
export function formatAmount(value) {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential().split("e")[1]);
  const places = Math.min(Math.max(0, 2 - exponent), 18);
  return value.toLocaleString("en", { maximumFractionDigits: places, useGrouping: false });
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
