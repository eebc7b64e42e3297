/**
 * What can be uploaded: a file, or a folder as one. `listed` is how many bytes of it are a folder's list, `count` how
 * many files that has.
 *
 * @typedef {Blob & { name: string, lastModified: number, listed?: number, count?: number }} Upload
 */
/** @typedef {[path: string, file: File]} Entry */

/**
 * Files with their paths in a folder as one Blob: their list, then their bytes. Nothing is read yet.
 *
 * @param {string} name
 * @param {Entry[]} entries
 * @returns {Upload}
 */
function packFolder(name, entries) {
  const files = [...entries].sort(([one], [other]) => (one < other ? -1 : 1)); // the same each time: it may go on after a reload
  const list = new TextEncoder().encode(JSON.stringify(files.map(([path, file]) => [path, file.size])));
  const lastModified = files.reduce((latest, [, file]) => Math.max(latest, file.lastModified), 0);
  return Object.assign(new Blob([list, ...files.map(([, file]) => file)]), {
    name,
    lastModified,
    listed: list.length,
    count: files.length,
  });
}

/**
 * The folder that was chosen by an input with `webkitdirectory`: its files know their paths, which begin with its name.
 *
 * @param {File[]} files
 */
export function chosenFolder(files) {
  const [name] = files[0].webkitRelativePath.split("/");
  return packFolder(
    name,
    files.map((file) => [file.webkitRelativePath.slice(name.length + 1), file]),
  );
}

/**
 * What was dropped: files, and folders as one file each; those that are empty are left out.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Upload[]>}
 */
export async function dropped(transfer) {
  const entries = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files]; // both are empty once this function waits
  if (!entries.every((entry) => entry !== null)) return files;
  const found = await Promise.all(
    entries.map(async (entry, index) => {
      if (!isDirectory(entry)) return files[index];
      const inside = await filesIn(entry, "");
      return inside.length ? packFolder(entry.name, inside) : null;
    }),
  );
  return found.filter((one) => one !== null);
}

/**
 * @param {FileSystemEntry} entry
 * @returns {entry is FileSystemDirectoryEntry}
 */
const isDirectory = (entry) => entry.isDirectory;

/**
 * @param {FileSystemDirectoryEntry} folder
 * @param {string} path
 * @returns {Promise<Entry[]>}
 */
async function filesIn(folder, path) {
  const reader = folder.createReader();
  const found = /** @type {Entry[]} */ ([]);
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
    if (!some.length) return found;
    for (const entry of some) {
      const inner = `${path}${entry.name}`;
      if (isDirectory(entry)) found.push(...(await filesIn(entry, `${inner}/`)));
      else found.push([inner, await fileOf(entry)]);
    }
  }
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
}
