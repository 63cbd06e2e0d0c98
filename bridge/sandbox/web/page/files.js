/** Files: what the real page does before it sends one, and what it gives back of one that came in. */

const TYPES = [[/^image\//, 'image'], [/^video\//, 'video'], [/^audio\//, 'audio']];
const WORDS = { ptt: 'voice' };

const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const hex = (text) => [...atob(text)].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');

export const base64OfHex = (text) => btoa(text.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16))));

/** The page's word for a type of message, and back. */
export const pageType = (type) => ({ text: 'chat', voice: 'ptt' })[type] ?? type;
export const typeOf = (pageWord) => ({ chat: 'text', ...WORDS })[pageWord] ?? pageWord;

class OpaqueData {
  constructor(blob) {
    Object.defineProperty(this, 'blob', { value: blob });
  }

  static async createFromData(blob) { return new OpaqueData(blob); }
  url() { return 'blob:stand-in'; }
  formData() { return this.blob; }
  autorelease() {}
}

/** A file that is being made ready. Its fields become those of the message. */
class MediaData {
  constructor(fields, blob) {
    Object.assign(this, fields);
    Object.defineProperty(this, 'mediaBlob', { value: new OpaqueData(blob), writable: true });
  }

  set(fields) { Object.assign(this, fields); }
  toJSON() { return { ...this }; }
}

/** @param {{storage: import('./storage.js').Storage}} page */
export function makeFiles({ storage }) {
  /** Blobs by their hash, from their preparation to their upload. */
  const blobs = new Map();
  const objects = new Map();

  const ask = async (query, options = {}) => {
    const token = await storage.token();
    const response = await fetch(`/media?${new URLSearchParams(query)}`, { ...options, headers: { authorization: `Bearer ${token}`, ...options.headers } });
    if (!response.ok) throw Object.assign(new Error(`media: ${response.status}`), { status: response.status });
    return response;
  };

  async function prepare({ blob }, { isPtt, asDocument }) {
    const filehash = base64(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
    blobs.set(filehash, blob);
    const kind = asDocument ? 'document' : TYPES.find(([mime]) => mime.test(blob.type))?.[1] ?? 'document';
    return new MediaData({
      type: isPtt && kind === 'audio' ? 'ptt' : kind, mimetype: blob.type, size: blob.size, filehash, filename: blob.name, isGif: false,
    }, blob);
  }

  function getOrCreateMediaObject(filehash) {
    const made = objects.get(filehash) ?? { filehash, contentInfo: { waveform: new Uint8Array(64) }, consolidate(fields) { Object.assign(this, fields); } };
    objects.set(filehash, made);
    return made;
  }

  async function uploadMedia({ mimetype, mediaObject, mediaType }) {
    const blob = blobs.get(mediaObject.filehash);
    blobs.delete(mediaObject.filehash);
    const query = { type: typeOf(mediaType), name: blob.name };
    const response = await ask(query, { method: 'POST', body: blob, headers: { 'content-type': mimetype } });
    const { wire } = await response.json();
    // The key of the real page; here it is all that describes the file.
    return { mediaEntry: { mmsUrl: 'https://mmg.whatsapp.net/', directPath: '/media', mediaKey: wire } };
  }

  const downloadAndMaybeDecrypt = async ({ filehash }) => (await ask({ sha256: hex(filehash) })).arrayBuffer();

  return {
    WAWebMediaOpaqueData: OpaqueData,
    WAWebPrepRawMedia: { prepRawMedia: (opaque, params) => ({ waitForPrep: () => prepare(opaque, params) }) },
    WAWebMediaStorage: { getOrCreateMediaObject },
    WAWebMmsMediaTypes: { msgToMediaType: ({ type }) => type, castToV4: (type) => type },
    WAWebMediaDataUtils: { shouldUseMediaCache: () => false },
    WAWebMediaInMemoryBlobCache: { InMemoryMediaBlobCache: { put() {} } },
    WAWebMediaMmsV4Upload: { uploadMedia },
    WAWebDownloadManager: { downloadManager: { downloadAndMaybeDecrypt } },
  };
}
