/** What the page keeps in the browser's profile: who it is, and its messages. */

const NAME = 'stand-in';

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class Storage {
  #db;

  async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('self');
      request.result.createObjectStore('messages');
    };
    this.#db = await done(request);
    return this;
  }

  #store(name, mode) {
    // The next page load must find what was promised, also after a kill of the browser.
    return this.#db.transaction(name, mode, { durability: 'strict' }).objectStore(name);
  }

  async token() {
    return done(this.#store('self', 'readonly').get('token'));
  }

  /** Both at once, as the real page keeps its parts in several places. */
  async keepToken(token) {
    await done(this.#store('self', 'readwrite').put(token, 'token'));
    localStorage.setItem('linked', '1');
  }

  async messages() {
    return done(this.#store('messages', 'readonly').getAll());
  }

  async keepMessage(key, message) {
    const store = this.#store('messages', 'readwrite');
    await Promise.all([done(store.put(message, key)), new Promise((resolve, reject) => {
      store.transaction.oncomplete = resolve;
      store.transaction.onabort = () => reject(store.transaction.error);
    })]);
  }

  async erase() {
    this.#db.close();
    localStorage.clear();
    await done(indexedDB.deleteDatabase(NAME));
  }
}
