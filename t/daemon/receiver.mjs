// SPDX-License-Identifier: Apache-2.0
// A receiver of webhooks for the tests: node receiver.mjs PORT LOG PACKAGE.JSON
//
//   POST /hook/NAME     what is posted; written down as a line of LOG, answered as
//                       the name's mode says. Signatures are judged by the
//                       standardwebhooks package, which shares nothing with ours.
//   PUT  /mode/NAME     {mode, secrets}: how it answers from now on
//
// modes: ok, hang (never answers), flaky (500 to 30 %), or a status such as 500;
// {headers} go with the answer.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [port, log, packages] = process.argv.slice(2);
const { Webhook } = createRequire(packages)('standardwebhooks');
const modes = new Map();

const fits = (secret, body, headers) => {
    try {
        new Webhook(secret).verify(body, headers);
        return true;
    } catch {
        return false;
    }
};

const statusOf = (mode) => {
    if (mode === 'ok') return 204;
    if (mode === 'flaky') return Math.random() < 0.3 ? 500 : 200;
    return Number(mode);
};

const receive = (name, request, response, body) => {
    const { mode = 'ok', secrets = [], headers = {} } = modes.get(name) ?? {};
    const status = mode === 'hang' ? 0 : statusOf(mode);
    appendFileSync(log, `${JSON.stringify({
        name,
        status,
        method: request.method,
        id: request.headers['webhook-id'],
        timestamp: request.headers['webhook-timestamp'],
        signature: request.headers['webhook-signature'],
        type: request.headers['content-type'],
        traceparent: request.headers.traceparent,
        fits: secrets.map((secret) => fits(secret, body, request.headers)),
        altered: secrets.map((secret) => fits(secret, body.replace('{', '{ '), request.headers)),
        body: JSON.parse(body),
    })}\n`);
    if (status) response.writeHead(status, headers).end(status === 204 ? undefined : `answer of ${name}`);
};

createServer((request, response) => {
    const [, kind, name] = request.url.split('/');
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        if (kind === 'hook') {
            receive(name, request, response, body);
        } else {
            modes.set(name, JSON.parse(body));
            response.writeHead(204).end();
        }
    });
}).listen(Number(port), '127.0.0.1', function listening() {
    console.log(this.address().port);
});
