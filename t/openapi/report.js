// The answers of a folder, judged, as TAP.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const EXCERPT = 400;
// Files below the API's path, which are no operations.
const PAGES = /^\/api\/(?:v1\/)?docs(?:\/|$)/;

// Each line of each file; one that can't be read (cut off, no UTF-8) is an Error.
function* answersIn(folder) {
  for (const name of readdirSync(folder).filter((n) => n.endsWith('.ndjson')).sort()) {
    const bytes = readFileSync(join(folder, name));
    const utf8 = new TextDecoder('utf-8', { fatal: true });
    for (let from = 0, n = 1; from < bytes.length; n++) {
      const end = bytes.indexOf(10, from);
      const line = bytes.subarray(from, end < 0 ? bytes.length : end);
      from = end < 0 ? bytes.length : end + 1;
      try {
        yield JSON.parse(utf8.decode(line));
      } catch (e) {
        yield new Error(`${name}, line ${n}: ${e.message}: ${line.subarray(0, EXCERPT)}`);
      }
    }
  }
}

const statusesOf = (seen) => [...seen.statuses].sort().join(', ');
const excerpt = (body) => (body === undefined ? 'not kept' : body.length > EXCERPT ? `${body.slice(0, EXCERPT)}…` : body);

// report(document, folder, all): {lines of TAP, failed}. With `all`, every operation must
// have been answered as it should be at least once.
export function report(document, folder, all) {
  const operations = new Map(document.operations.sort().map((o) => [o, { count: 0, statuses: new Set() }]));
  const faults = new Map(); // by what is the matter: {count, example}
  const totals = { answers: 0, unread: 0, elsewhere: 0, pages: 0, long: 0, files: 0 };
  const fault = (key, example) => {
    const known = faults.get(key);
    if (known) known.count++;
    else faults.set(key, { count: 1, example });
  };

  for (const answer of answersIn(folder)) {
    if (answer instanceof Error) {
      fault('an answer that was kept can be read', answer.message);
      continue;
    }
    if (PAGES.test(answer.path)) {
      totals.pages++;
      continue;
    }
    totals.answers++;
    if (answer.skipped === 'not JSON') totals.files++;
    else if (answer.skipped) totals.long++;
    const { operation, template, faults: found } = document.judge(answer);
    if (operation) {
      const seen = operations.get(operation);
      seen.count++;
      seen.statuses.add(answer.status);
    } else {
      totals.elsewhere++;
    }
    const where = operation ?? `${answer.method} ${template ?? 'no documented path'}`;
    for (const text of new Set(found)) {
      fault(`${where}: ${answer.status}: ${text}`, `${answer.method} ${answer.path}: ${excerpt(answer.body)}`);
    }
  }

  const tests = []; // [passed, name, comments…]
  const answered = [...operations].filter(([, seen]) => seen.count);
  tests.push([totals.answers > 0, 'answers were kept']);
  for (const [name, seen] of all ? operations : answered) {
    const good = [...seen.statuses].some((s) => s < 400);
    tests.push([good || !all, `${name}: ${seen.count} answers${seen.count ? ` (${statusesOf(seen)})` : ''}`,
      ...(good || !all ? [] : ['no test had it answered with success'])]);
  }
  for (const [name, { count, example }] of [...faults].sort(([a], [b]) => (a < b ? -1 : 1))) {
    tests.push([false, name, `${count} times, first: ${example}`]);
  }
  const line = (text) => text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').replaceAll('#', '\\#'); // eslint-disable-line no-control-regex
  const lines = [`1..${tests.length}`,
    `# ${totals.answers} answers, of ${answered.length} of ${operations.size} operations; ${totals.elsewhere} where there is none,`
      + ` ${totals.files} of other types than JSON, ${totals.long} too long to be kept; ${totals.pages} of pages left out`];
  tests.forEach(([passed, name, ...comments], i) => {
    lines.push(...comments.map((c) => `# received: ${c.replaceAll(/\s+/g, ' ')}`), `${passed ? 'ok' : 'not ok'} ${i + 1} - ${line(name)}`);
  });
  return { lines, failed: tests.some(([passed]) => !passed) };
}
