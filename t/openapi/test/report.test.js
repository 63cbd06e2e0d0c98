// That the judge of answers sees what is wrong, and only that.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { Document } from '../document.js';
import { report } from '../report.js';

const json = (schema) => ({ content: { 'application/json': { schema } } });
const thing = (name) => ({ $ref: `#/components/schemas/${name}` });
const DOCUMENT = () => ({
  openapi: '3.1.0',
  servers: [{ url: '/api' }, { url: '/api/v1' }],
  paths: {
    '/things': {
      get: { responses: { 200: json({ type: 'object', required: ['data'], properties: { data: { type: 'array', items: thing('Thing') } } }) } },
      post: { responses: { 201: json(thing('ThingShown')), 422: { $ref: '#/components/responses/Invalid' } } },
    },
    '/things/{id}': {
      get: { responses: { 200: json(thing('Thing')) } },
      delete: { responses: { 204: { description: 'It is gone.' } } },
    },
    '/things/{id}/file': { get: { responses: { 200: { content: { '*/*': { schema: { type: 'string' } } } } } } },
    '/choice': { get: { responses: { 200: json({ type: 'object', properties: { data: { oneOf: [thing('Thing'), thing('Problem')] } } }) } } },
    '/things/special': { get: { responses: { 200: json({ type: 'object', additionalProperties: { type: 'integer' } }) } } },
  },
  components: {
    responses: { Invalid: { content: { 'application/problem+json': { schema: thing('Problem') } } } },
    schemas: {
      Thing: {
        type: 'object',
        required: ['id', 'count'],
        properties: {
          id: { type: 'string', format: 'uuid' },
          count: { type: ['integer', 'null'] },
          at: { type: 'string', format: 'date-time' },
          inner: { type: 'object', properties: { name: { type: 'string' } } },
          any: { type: 'object' },
        },
      },
      ThingShown: { allOf: [thing('Thing'), { type: 'object', required: ['secret'], properties: { secret: { type: 'string' } } }] },
      Problem: {
        type: 'object',
        required: ['title', 'status'],
        properties: { title: { type: 'string' }, status: { type: 'integer' }, code: { enum: ['a', 'b'] } },
      },
    },
  },
});
const ID = '01900000-0000-7000-8000-000000000000';
const THING = { id: ID, count: 1 };

let folder;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'answers-')); });
afterEach(() => { rmSync(folder, { recursive: true }); });

// keep('GET /api/things', 200, body, fields of the line that are another)
function keep(request, status, body, other = {}) {
  const [method, path] = request.split(' ');
  const text = typeof body === 'string' ? body : JSON.stringify(body) ?? '';
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  appendFileSync(join(folder, '1.ndjson'), `${JSON.stringify({
    method, path, status, type: text ? type : null, length: Buffer.byteLength(text), ...(text ? { body: text } : {}), ...other,
  })}\n`);
}
function faults(all = false, root = DOCUMENT()) {
  const { lines, failed } = report(new Document(root), folder, all);
  const found = lines.filter((l) => l.startsWith('not ok ')).map((l) => l.replace(/^not ok \d+ - /, ''));
  assert.equal(failed, found.length > 0);
  assert.equal(lines[0], `1..${lines.filter((l) => /^(not )?ok /.test(l)).length}`);
  return found;
}
// Each is all that is kept: the faults that are found in it.
function of(...answer) {
  writeFileSync(join(folder, '1.ndjson'), '');
  keep(...answer);
  return faults();
}

test('answers as they are documented are good', () => {
  keep('GET /api/things', 200, { data: [THING, { ...THING, count: null, at: '2026-01-01T00:00:00.000Z', inner: { name: 'x' }, any: { y: 1 } }] });
  keep('GET /api/v1/things', 200, { data: [] });
  keep('POST /api/things', 201, { ...THING, secret: 's' });
  keep('POST /api/things', 422, { title: 'No', status: 422, code: 'a' });
  keep(`GET /api/things/${ID}`, 200, THING, { type: 'application/json; charset=utf-8' });
  keep(`HEAD /api/things/${ID}`, 200, '', { type: 'application/json' });
  keep(`DELETE /api/things/${ID}`, 204, '');
  keep(`GET /api/things/${ID}/file`, 200, '', { type: 'image/png', length: 7, skipped: 'not JSON' });
  keep(`GET /api/things/${ID}/file`, 200, [1]);
  keep('GET /api/things/special', 200, { of: 1, any: 2 });
  keep('GET /api/choice', 200, { data: THING });
  keep('GET /api/th%69ngs/special', 200, { name: 3 });
  keep('GET /api/things', 200, '', { type: 'application/json', length: 1e6, skipped: 'longer than 9 bytes' });
  keep('GET /api/docs/', 200, '', { type: 'text/html', length: 9, skipped: 'not JSON' });
  assert.deepEqual(faults(true), []);
});

test('what every request may be refused with needs no place in the document', () => {
  const problem = (status) => ({ title: 'No', status });
  for (const status of [408, 429, 431, 500, 503]) keep('GET /api/things', status, problem(status));
  keep('PATCH /api/things', 405, problem(405));
  keep('GET /api/nothing', 404, problem(404));
  assert.deepEqual(faults(), []);
  assert.deepEqual(of('GET /api/things', 503, { status: 503 }), ["GET /things: 503: the body must have required property 'title' (required)"]);
  assert.deepEqual(of('GET /api/things', 503, 'x', { type: 'text/html', skipped: 'not JSON', body: undefined }),
    ['GET /things: 503: Content-Type text/html is not documented, but application/problem+json']);
});

test('a status that is not documented', () => {
  const problem = (status) => ({ title: 'No', status });
  assert.deepEqual(of('GET /api/things', 202, { data: [] }), ['GET /things: 202: the status is not documented']);
  assert.deepEqual(of('GET /api/things', 409, problem(409)), ['GET /things: 409: the status is not documented']);
  assert.deepEqual(of('PUT /api/things', 200, {}), ['PUT /things: 200: the status is not documented']);
  assert.deepEqual(of('PUT /api/things', 404, problem(404)), ['PUT /things: 404: the status is not documented']);
  assert.deepEqual(of('GET /api/nothing', 200, {}), ['GET no documented path: 200: the status is not documented']);
});

test('a status taken out of the document', () => {
  const root = DOCUMENT();
  delete root.paths['/things'].post.responses[422];
  keep('POST /api/things', 422, { title: 'No', status: 422 });
  assert.deepEqual(faults(false, root), ['POST /things: 422: the status is not documented']);
});

test('a member that is required and not there', () => {
  assert.deepEqual(of(`GET /api/things/${ID}`, 200, { id: ID }), ["GET /things/{id}: 200: the body must have required property 'count' (required)"]);
  assert.deepEqual(of('POST /api/things', 201, THING), ["POST /things: 201: the body must have required property 'secret' (required)"]);
});

test('a member of another type, format or value', () => {
  assert.deepEqual(of(`GET /api/things/${ID}`, 200, { ...THING, count: '1' }), ['GET /things/{id}: 200: /count must be integer,null (type)']);
  assert.deepEqual(of('GET /api/things', 200, { data: [THING, { ...THING, id: 'x' }, { ...THING, id: 'y' }] }),
    ['GET /things: 200: /data/*/id must match format "uuid" (format)']);
  assert.deepEqual(of('POST /api/things', 422, { title: 'No', status: 422, code: 'c' }),
    ['POST /things: 422: /code must be equal to one of the allowed values: ["a","b"] (enum)']);
  assert.deepEqual(of('GET /api/things/special', 200, { x: 'y' }), ['GET /things/special: 200: /x must be integer (type)']);
});

test('a member that the document does not name', () => {
  assert.deepEqual(of(`GET /api/things/${ID}`, 200, { ...THING, more: 1 }),
    ['GET /things/{id}: 200: the body must NOT have unevaluated properties: "more" (unevaluatedProperties)']);
  assert.deepEqual(of('GET /api/things', 200, { data: [{ ...THING, inner: { name: 'x', age: 1 } }] }),
    ['GET /things: 200: /data/*/inner must NOT have unevaluated properties: "age" (unevaluatedProperties)']);
  assert.deepEqual(of('POST /api/things', 201, { ...THING, secret: 's', more: 1 }),
    ['POST /things: 201: the body must NOT have unevaluated properties: "more" (unevaluatedProperties)']);
  const root = DOCUMENT();
  root.components.schemas.Thing.additionalProperties = false;
  writeFileSync(join(folder, '1.ndjson'), '');
  keep(`GET /api/things/${ID}`, 200, { ...THING, more: 1 });
  assert.deepEqual(faults(false, root), ['GET /things/{id}: 200: the body must NOT have additional properties: "more" (additionalProperties)']);
});

test('what fits none of several schemas is one fault', () => {
  assert.deepEqual(of('GET /api/choice', 200, { data: { count: 1, title: 'No' }, more: 1 }), [
    'GET /choice: 200: /data must match exactly one schema in oneOf (oneOf): '
      + "/data must have required property 'id' (required); /data must have required property 'status' (required)",
    'GET /choice: 200: the body must NOT have unevaluated properties: "more" (unevaluatedProperties)',
  ]);
});

test('a body that is none, or not of its type', () => {
  assert.deepEqual(of(`DELETE /api/things/${ID}`, 204, {}), ['DELETE /things/{id}: 204: there is a body, and none is documented']);
  assert.deepEqual(of('GET /api/things', 200, ''), ['GET /things: 200: there is no Content-Type']);
  assert.deepEqual(of('GET /api/things', 200, '', { type: 'text/csv', length: 1, skipped: 'not JSON' }),
    ['GET /things: 200: Content-Type text/csv is not documented, but application/json']);
  assert.deepEqual(of('GET /api/things', 200, '{"data":['), ['GET /things: 200: the body is not JSON']);
  assert.deepEqual(of('GET /api/things', 200, '', { type: 'application/json', body: '' }), ['GET /things: 200: the body is not JSON']);
  assert.deepEqual(of('POST /api/things', 422, { title: 'No', status: 400 }), ["POST /things: 422: /status is not the answer's"]);
});

test('the same fault is told once, with what it was seen in', () => {
  for (let i = 0; i < 3; i++) keep(`GET /api/things/${i}`, 200, { id: ID });
  const { lines } = report(new Document(DOCUMENT()), folder, false);
  assert.deepEqual(lines.slice(-2), [`# received: 3 times, first: GET /api/things/0: {"id":"${ID}"}`,
    "not ok 3 - GET /things/{id}: 200: the body must have required property 'count' (required)"]);
});

test('nothing kept, an operation left out, a line cut off', () => {
  assert.deepEqual(faults(), ['answers were kept']);
  keep('GET /api/things', 200, { data: [] });
  keep('POST /api/things', 422, { title: 'No', status: 422 });
  assert.deepEqual(faults(), []);
  assert.deepEqual(faults(true), ['DELETE /things/{id}: 0 answers', 'GET /choice: 0 answers', 'GET /things/special: 0 answers', 'GET /things/{id}: 0 answers',
    'GET /things/{id}/file: 0 answers', 'POST /things: 1 answers (422)']);
  writeFileSync(join(folder, '2.ndjson'), '{"method":"GET","path":"/api/th');
  assert.deepEqual(faults(), ['an answer that was kept can be read']);
  writeFileSync(join(folder, '2.ndjson'), Buffer.from([0x22, 0xff, 0x22, 10]));
  assert.deepEqual(faults(), ['an answer that was kept can be read']);
});

test('a schema with a word that is none is refused, as is one that is not there', () => {
  const root = DOCUMENT();
  root.components.schemas.Thing.requried = ['id'];
  assert.throws(() => new Document(root), /unknown keyword: "requried"/);
  const other = DOCUMENT();
  delete other.components.schemas.ThingShown;
  assert.throws(() => new Document(other));
});

test('docs/openapi.yaml can be judged by', () => {
  assert.ok(Document.read(new URL('../../../docs/openapi.yaml', import.meta.url)).operations.length >= 60);
});
