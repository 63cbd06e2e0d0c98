/**
 * What Prometheus may ask of the bridge: counts and times, never a number, a text or an id of a session.
 */
import { Counter, Gauge, Histogram, Registry as PromRegistry } from 'prom-client';
import { memoryByEngine } from './memory.js';

const PREFIX = 'whatsapp_bridge_';
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class Metrics {
  #prom = new PromRegistry();
  #sends;
  #latency;

  /**
   * @param {object} parts
   * @param {import('./sessions/registry.js').Registry} parts.registry
   * @param {import('./events/journal.js').EventJournal} parts.journal
   * @param {string} parts.mode
   * @param {string} parts.version
   */
  constructor({ registry, journal, mode, version }) {
    this.#sends = this.#make(Counter, 'sends_total', 'Calls to send, by outcome: sent, or the code of the problem.', ['engine', 'outcome']);
    this.#latency = this.#make(Histogram, 'send_seconds', 'From the call to WhatsApp\'s acknowledgement, of those that were sent.', ['engine'], {
      buckets: SECONDS,
    });
    this.#make(Gauge, 'info', 'Version and mode of the bridge; always 1.', ['version', 'mode']).set({ version, mode }, 1);
    this.#gauge('sessions', 'Sessions, by engine and status.', ['engine', 'status'], (gauge) => {
      gauge.reset();
      for (const { engine, status } of registry.list()) {
        gauge.inc({ engine, status });
      }
    });
    this.#gauge('memory_bytes', 'The bridge\'s own process (baileys) and the processes of browsers (webjs, PSS).', ['engine'], (gauge) => {
      for (const [engine, bytes] of Object.entries(memoryByEngine())) {
        gauge.set({ engine }, bytes);
      }
    });
    this.#gauge('journal_events', 'Events that the module has not acknowledged yet.', [], (gauge) => gauge.set(journal.pending));
    this.#gauge('journal_full', '1 while the journal is full and all sessions wait.', [], (gauge) => gauge.set(journal.full ? 1 : 0));
    this.#gauge('uptime_seconds', 'Since the start of the process.', [], (gauge) => gauge.set(process.uptime()));
  }

  #make(Kind, name, help, labelNames, more = {}) {
    return new Kind({ name: PREFIX + name, help, labelNames, registers: [this.#prom], ...more });
  }

  /** A value that is looked up when it is asked for. */
  #gauge(name, help, labelNames, look) {
    this.#make(Gauge, name, help, labelNames, {
      collect() {
        look(this);
      },
    });
  }

  /** Counts a call to send. @template T @param {string} engine @param {() => Promise<T>} send @returns {Promise<T>} */
  async send(engine, send) {
    const stop = this.#latency.startTimer({ engine });
    try {
      const answer = await send();
      stop();
      this.#sends.inc({ engine, outcome: 'sent' });
      return answer;
    } catch (error) {
      this.#sends.inc({ engine, outcome: error.code && error.status ? error.code : 'internal' });
      throw error;
    }
  }

  get contentType() {
    return this.#prom.contentType;
  }

  text() {
    return this.#prom.metrics();
  }
}
