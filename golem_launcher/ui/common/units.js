// How numbers are written for people; golem_launcher/units.py does it for everything that is not a script.

/** `1 file`, `2,345 files`; `several` is for what takes more than an s: `1 file is`, `2 files are`. */
function counted(number, one, several = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}
