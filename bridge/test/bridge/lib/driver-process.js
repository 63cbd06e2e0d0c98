/**
 * Starts a process with the engine in it and talks to it.
 */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './processes.js';
import { Record } from './wait.js';

const DRIVER = join(dirname(fileURLToPath(import.meta.url)), 'driver.js');

/** A process with the engine in it; see driver.js. */
export async function startDriver(t, options) {
  const child = fork(DRIVER, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...(options.authority ? { NODE_EXTRA_CA_CERTS: options.authority } : {}) },
  });
  atEnd(t, () => child.kill('SIGKILL'));
  const driver = { events: new Record(), output: '', exited: new Promise((resolve) => child.once('exit', resolve)) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      driver.output += text;
    });
  }
  const calls = new Map();
  child.on('message', ({ call, result, error, event }) => {
    if (event) {
      driver.events.push(event);
      return;
    }
    const { resolve, reject } = calls.get(call);
    (error ? reject : resolve)(error ? new Error(error) : result);
  });
  driver.exited.then(() => calls.forEach(({ reject }) => reject(new Error(`the driver ended: ${driver.output}`))));
  driver.do = (command, commandOptions = {}) =>
    new Promise((resolve, reject) => {
      const call = randomUUID();
      calls.set(call, { resolve, reject });
      child.send({ call, command, options: commandOptions });
    });
  driver.link = async (phone) => {
    const id = randomUUID();
    await phone.scan(await driver.do('qr', { id }));
    await driver.do('connected', { id });
    return id;
  };
  await driver.do('start', options);
  return driver;
}
