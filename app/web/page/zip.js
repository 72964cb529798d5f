/** A ZIP archive of files as they are, without compression (APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16). */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;
const UTF8_NAMES = 0x0800;
const NEW_YEAR_1980 = 0x21;
const CRC_POLYNOMIAL = 0xedb88320;

/**
 * @param {{ path: string, bytes: Uint8Array }[]} files
 * @returns {Blob}
 */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { path, bytes } of files) {
    const name = new TextEncoder().encode(path);
    const common = [[VERSION, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [NEW_YEAR_1980, 2], [crc32(bytes), 4],
      [bytes.length, 4], [bytes.length, 4], [name.length, 2], [0, 2]];
    const local = packed([[LOCAL, 4], ...common]);
    directory.push(packed([[CENTRAL, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), name);
    parts.push(local, name, bytes);
    offset += local.length + name.length + bytes.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = packed([[END, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [length, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/**
 * @param {number[][]} fields value and bytes of each, little-endian
 * @returns {Uint8Array}
 */
function packed(fields) {
  const bytes = fields.flatMap(([value, size]) => Array.from({ length: size }, (_, place) => (value >>> (8 * place)) & 0xff));
  return Uint8Array.from(bytes);
}

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
  }
  return ~crc >>> 0;
}
