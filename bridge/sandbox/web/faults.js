/**
 * How the page is to misbehave, for testing what drives it. In memory only; a page takes over what is set
 * when it loads.
 */
export const NO_FAULTS = {
  /** Name of the property that holds a message key's text; the real page has renamed it. */
  serialized: '_serialized',
  /** Milliseconds between "connected" and "everything is synced". */
  sync_delay_ms: 0,
  /** Frames that appear in the page after it has connected, and once more when it is linked. */
  iframes: 0,
  /** A frame that never gets a document of its own, as soon as the page is connected. */
  dead_frame: false,
  /** Says that everything is synced before it says that it is connected. */
  early_sync: false,
  /** Milliseconds between hearing that the device was removed and loading anew. */
  logout_delay_ms: 0,
  /** Modules that are not there. */
  missing: [],
  /** Memory that the page takes, in MiB. */
  ballast_mib: 0,
  /** How long a code is shown, in milliseconds; 0 for as long as the real page does. */
  code_ms: 0,
  /** The page makes its own message ids and nothing can change that. */
  fixed_ids: false,
  /** Version the page says it has; null for none at all. */
  version: '2.3000.1031000000',
};

export class PageFaults {
  #current = structuredClone(NO_FAULTS);

  set(changes) {
    Object.assign(this.#current, changes);
  }

  clear() {
    this.#current = structuredClone(NO_FAULTS);
  }

  get() {
    return structuredClone(this.#current);
  }
}
