/** The page with the virtual phones: a fixed list of files, read once. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const pageFile = (name) => fileURLToPath(new URL(`../page/${name}`, import.meta.url));
const JS = 'text/javascript; charset=utf-8';

const FILES = {
  '/': ['text/html; charset=utf-8', pageFile('index.html')],
  '/page/style.css': ['text/css; charset=utf-8', pageFile('style.css')],
  '/page/app.js': [JS, pageFile('app.js')],
  '/page/api.js': [JS, pageFile('api.js')],
  '/page/dom.js': [JS, pageFile('dom.js')],
  '/page/state.js': [JS, pageFile('state.js')],
  '/page/phone-view.js': [JS, pageFile('phone-view.js')],
  '/page/fault-view.js': [JS, pageFile('fault-view.js')],
  '/page/bubble.js': [JS, pageFile('bubble.js')],
  '/page/composer.js': [JS, pageFile('composer.js')],
  '/page/chat-view.js': [JS, pageFile('chat-view.js')],
  '/page/link-view.js': [JS, pageFile('link-view.js')],
  '/page/qr.js': [JS, pageFile('qr.js')],
  '/page/ticks.js': [JS, pageFile('ticks.js')],
  '/page/vendor/jsqr.js': [JS, require.resolve('jsqr')],
};

export const PAGE_CSP = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "media-src 'self'", "connect-src 'self'",
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join('; ');

/** @param {import('fastify').FastifyInstance} app */
export async function pageRoutes(app) {
  for (const [url, [type, file]] of Object.entries(FILES)) {
    const body = readFileSync(file);
    app.get(url, async (request, reply) => reply.type(type).header('content-security-policy', PAGE_CSP)
      .header('cache-control', 'no-cache').send(body));
  }
}
