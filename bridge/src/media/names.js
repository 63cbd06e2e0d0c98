/**
 * What senders call their files and say of them, made fit to be handed on.
 */
const MIME_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,64}(?: ?; ?[\w-]{1,32}=(?:[\w.+-]{1,64}|"[\w .,+-]{1,64}"))*$/;
const UNKNOWN = 'application/octet-stream';
const NAME_CHARACTERS = 255;

/** @returns {string} a media type that can stand in a header */
export function cleanMimeType(type) {
  return typeof type === 'string' && type.length <= 127 && MIME_TYPE.test(type) ? type : UNKNOWN;
}

/** @returns {string|undefined} a name of one line, without a path */
export function cleanFileName(name) {
  if (typeof name !== 'string') {
    return undefined;
  }
  const last = name.toWellFormed().split(/[/\\]/).at(-1);
  // Control characters, and those that turn the direction of what follows.
  const plain = last.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '').trim();
  return [...plain].slice(0, NAME_CHARACTERS).join('') || undefined;
}
