/* SPDX-License-Identifier: Apache-2.0 */
/* What Apache says with the pages, and what must agree with the sources. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { base, root } from './lib.js';

const get = (path, headers) => fetch(`${base}${path}`, { headers, redirect: 'manual', signal: AbortSignal.timeout(10_000) });
const PAGES = ['/', '/admin/', '/api/docs/', '/api/docs/problems'];
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
  + " form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

test('pages come with a strict policy and are asked for again', async () => {
  for (const path of [...PAGES, '/assets/api.js', '/api/docs/openapi.yaml']) {
    const { status, headers } = await get(path);
    assert.equal(status, 200, path);
    assert.equal(headers.get('Content-Security-Policy'), POLICY, path);
    assert.equal(headers.get('X-Content-Type-Options'), 'nosniff', path);
    assert.equal(headers.get('Referrer-Policy'), 'no-referrer', path);
    assert.equal(headers.get('Cross-Origin-Opener-Policy'), 'same-origin', path);
    assert.equal(headers.get('Cache-Control'), 'no-cache', path);
  }
});

test('what is unchanged is a short 304, compressed or not', async () => {
  for (const encoding of ['gzip', 'identity']) {
    const first = await get('/assets/base.css', { 'Accept-Encoding': encoding });
    await first.arrayBuffer();
    const again = await get('/assets/base.css', { 'Accept-Encoding': encoding, 'If-None-Match': first.headers.get('ETag') });
    assert.equal(again.status, 304, encoding);
  }
});

test('the pages do not take the API’s place', async () => {
  const live = await get('/api/health/live');
  assert.equal(live.headers.get('Content-Type'), 'application/json');
  assert.equal(live.headers.get('Cache-Control'), 'no-store');
  const unknown = await get('/api/docsx');
  assert.equal(unknown.status, 404);
  assert.equal(unknown.headers.get('Content-Type'), 'application/problem+json');
});

test('only what the pages need is served', async () => {
  for (const path of ['/package.json', '/package-lock.json', '/.gitignore', '/node_modules/axe-core/axe.js',
    '/node_modules/swagger-ui-dist/swagger-ui.css.map', '/api/docs/swagger-ui/index.html',
    '/api/docs/swagger-ui/package.json', '/api/docs/swagger-ui/', '/assets/', '/admin/views/']) {
    const { status } = await get(path);
    assert.ok(status === 403 || status === 404, `${path}: ${status}`);
  }
  assert.equal((await get('/api/docs/swagger-ui/swagger-ui-bundle.js')).status, 200);
});

test('addresses without their slash, or with too much, lead on', async () => {
  for (const [path, to] of [['/admin', '/admin/'], ['/api/docs', '/api/docs/'], ['/docs/', '/api/docs/'],
    ['/api/docs/problems.html', '/api/docs/problems'], ['/api/docs/problems/', '/api/docs/problems']]) {
    const { status, headers } = await get(path);
    assert.equal(status, 308, path);
    assert.equal(new URL(headers.get('Location')).pathname, to, path);
  }
});

test('no page has inline script or style, or anything from elsewhere', async () => {
  for (const path of PAGES) {
    const html = await (await get(path)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc="\/)/, path);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/, path);
    assert.doesNotMatch(html, /(src|href)="(https?:)?\/\//, path);
  }
});

const text = (html) => html.replace(/<[^>]*>/g, '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

test('each error code of the module is explained, with its title and status', () => {
  const header = readFileSync(new URL('mod_whatsapp/base/wa_result.h', root), 'utf8');
  const page = readFileSync(new URL('htdocs/docs/problems.html', root), 'utf8');
  const codes = [...header.matchAll(/X\(WA_E_\w+,\s*(\d+),\s*"(\w+)",\s*"([^"]+)"\)/g)]
    .map(([, status, code, title]) => ({ code, status, title }));
  const explained = [...page.matchAll(/<article [^>]*id="(\w+)">([^]*?)<\/article>/g)].map(([, code, html]) => ({
    code,
    status: html.match(/class="badge status">(\d+)</)[1],
    title: text(html.match(/<h3>([^]*?)<\/h3>/)[1])
  }));
  assert.ok(codes.length > 30);
  assert.deepEqual(explained.sort((a, b) => a.code.localeCompare(b.code)), codes.sort((a, b) => a.code.localeCompare(b.code)));
  for (const { code } of codes) assert.match(page, new RegExp(`href="#${code}"`), `${code} in the contents`);
});
