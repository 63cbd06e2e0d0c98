/**
 * Stands in for the module's tables of credentials; the rules are those of core/wa_credentials.c.
 */
export class CredentialsTable {
  #sessions = new Map();
  calls = [];
  /** How many keys were written or removed. */
  written = 0;

  #session(id) {
    if (!this.#sessions.has(id)) {
      this.#sessions.set(id, { bridge: null, epoch: 0, generation: 1, clean: true, keys: new Map() });
    }
    return this.#sessions.get(id);
  }

  /** What is stored of a session: names and sealed values. */
  keys(id) {
    return this.#session(id).keys;
  }

  /** Was all of it written? */
  clean(id) {
    return this.#session(id).clean;
  }

  claim(id, { bridge_id: bridge, take = false }) {
    const s = this.#session(id);
    const mine = s.bridge === null || s.bridge === bridge;
    if (!mine && !take) {
      return null;
    }
    if (s.bridge !== bridge) {
      s.epoch += 1;
    }
    const answer = { epoch: s.epoch, generation: s.generation, clean: s.clean, mine, keys: s.keys.size };
    s.bridge = bridge;
    s.clean = false;
    return answer;
  }

  store({ bridge_id: bridge, sessions }) {
    return {
      sessions: sessions.map(({ id, epoch, generation, clean, tidy, changes }) => {
        const s = this.#session(id);
        if (s.bridge !== bridge || s.epoch !== epoch) {
          return { id, held: false };
        }
        Object.assign(s, { generation, clean });
        this.written += changes.length;
        for (const [name, value] of changes) {
          if (value === null) {
            s.keys.delete(name);
          } else {
            s.keys.set(name, { value, generation });
          }
        }
        for (const [name, key] of tidy ? s.keys : []) {
          if (key.generation < generation) {
            s.keys.delete(name);
          }
        }
        return { id, held: true };
      }),
    };
  }

  read(id, { bridge_id: bridge, epoch, after = '' }) {
    const s = this.#session(id);
    const names = s.bridge === bridge && s.epoch === epoch ? [...s.keys.keys()].sort() : [];
    return { keys: names.filter((name) => name > after).slice(0, 1000).map((name) => [name, s.keys.get(name).value]) };
  }

  /** One call of the bridge. @returns {{status: number, answer: object}} */
  answer(url, body) {
    const [, id, action] = /\/credentials(?:\/([^/]+)\/(\w+))?$/.exec(url);
    this.calls.push(action ?? 'store');
    const answer = id ? this[action](id, body) : this.store(body);
    return answer ? { status: 200, answer } : { status: 409, answer: {} };
  }
}
