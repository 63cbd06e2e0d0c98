/** Events, models and collections, as far as the page's driver uses those of the real page. */

export class Emitter {
  #handlers = new Map();

  /** @param {string} names one or more, apart by spaces */
  on(names, handler) {
    for (const name of names.split(' ')) this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), handler]);
    return this;
  }

  once(name, handler) {
    const once = (...args) => {
      this.off(name, once);
      handler(...args);
    };
    return this.on(name, once);
  }

  off(name, handler) {
    this.#handlers.set(name, (this.#handlers.get(name) ?? []).filter((h) => h !== handler));
    return this;
  }

  trigger(name, ...args) {
    for (const handler of this.#handlers.get(name) ?? []) {
      try {
        handler(...args);
      } catch (err) {
        // One listener's fault is not the next one's.
        setTimeout(() => { throw err; });
      }
    }
  }
}

export class Model extends Emitter {
  constructor(attributes = {}) {
    super();
    Object.assign(this, attributes);
  }

  /** Changes attributes and says so, here and in the collection. */
  set(changes) {
    const before = {};
    for (const [name, value] of Object.entries(changes)) {
      if (this[name] === value) continue;
      before[name] = this[name];
      this[name] = value;
    }
    for (const name of Object.keys(before)) this.bubble(`change:${name}`, this, this[name], before[name]);
    if (Object.keys(before).length) this.bubble('change', this);
  }

  bubble(name, ...args) {
    this.trigger(name, ...args);
    this.collection?.trigger(name, ...args);
  }

  serialize() {
    return Object.fromEntries(Object.entries(this).filter(([name]) => name !== 'collection'));
  }
}

export class Collection extends Emitter {
  #models = new Map();
  #keyOf;

  /** @param {(id: any) => string} keyOf text of an id */
  constructor(keyOf) {
    super();
    this.#keyOf = keyOf;
  }

  add(model) {
    this.#models.set(this.#keyOf(model.id), model);
    model.collection = this;
    this.trigger('add', model);
    return model;
  }

  get(id) {
    // As in the real page: no id, no model.
    return id === undefined || id === null ? undefined : this.#models.get(typeof id === 'string' ? id : this.#keyOf(id));
  }

  async find(id) {
    return this.get(id);
  }

  remove(model) {
    this.#models.delete(this.#keyOf(model.id));
    this.trigger('remove', model);
  }

  getModelsArray() {
    return [...this.#models.values()];
  }

  async getMessagesById(ids) {
    return { messages: ids.map((id) => this.get(id)).filter(Boolean) };
  }
}
