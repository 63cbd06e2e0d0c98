/**
 * Many async contexts in one AsyncLocalStorage.
 *
 * Up to Node 22 every promise copies the store of each AsyncLocalStorage that was ever entered, one by one. Baileys
 * makes one for each socket and never disables it: with 20 sessions that was the greatest part of the processor time
 * of a send, and it grew with each reconnection.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Holds, for the current context, a map of SharedContext → its store. A map is never changed once it is in use. */
const all = new AsyncLocalStorage();

/** Takes the place of AsyncLocalStorage, as far as Baileys and the bridge use it. */
export class SharedContext {
  /** Runs `work` with `store` in its context. */
  run(store, work, ...args) {
    return all.run(new Map(all.getStore()).set(this, store), work, ...args);
  }

  getStore() {
    return all.getStore()?.get(this);
  }
}
