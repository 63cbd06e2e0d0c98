/** Building and reading the nodes WhatsApp's binary protocol consists of: `{tag, attrs, content}`. */

/** @returns {{tag: string, attrs: object, content?: any}} */
export function el(tag, attrs = {}, content = undefined) {
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

/** All child nodes, or those with the given tag. */
export function children(node, tag) {
  const list = Array.isArray(node?.content) ? node.content : [];
  return tag ? list.filter((n) => n.tag === tag) : list;
}

/** The first child node (with the given tag). */
export function child(node, tag) {
  const list = Array.isArray(node?.content) ? node.content : [];
  return tag ? list.find((n) => n.tag === tag) : list[0];
}

/** The bytes a node holds; the decoder may have made a string of short ones. */
export function bytes(node) {
  const c = node?.content;
  if (typeof c === 'string') return Buffer.from(c, 'latin1');
  return c instanceof Uint8Array ? Buffer.from(c) : undefined;
}

/** The bytes of the child `tag`. */
export const childBytes = (node, tag) => bytes(child(node, tag));

/** The child `tag` read as a big-endian number. */
export function childNumber(node, tag) {
  const b = childBytes(node, tag);
  return b?.length ? b.readUIntBE(0, Math.min(b.length, 6)) : undefined;
}

/** A number as `length` big-endian bytes. */
export function bigEndian(number, length) {
  const b = Buffer.alloc(length);
  b.writeUIntBE(number, 0, length);
  return b;
}

/** Whole seconds since 1970, as the string the protocol wants. */
export const seconds = (ms = Date.now()) => String(Math.floor(ms / 1000));
