/** Keys that are well formed and that nobody has. */
import { randomBytes } from 'node:crypto';

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return ~crc >>> 0;
}

export function unknownKey() {
  const text = `wak_${randomBytes(32).toString('base64url')}`;
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(Buffer.from(text)));
  return text + sum.toString('base64url');
}
