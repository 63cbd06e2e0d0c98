// An OpenAPI document as a judge of answers: which operation is meant, is the status
// documented there, and the media type, and is the body as its schema says.
import { readFileSync } from 'node:fs';

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'trace'];
const NAME = 'openapi:';
// What whoever sends a broken request, or comes when the server can't, is answered before
// the operation is looked at; a document needn't list it at each.
const GENERAL = new Set([408, 414, 417, 429, 431]);
const general = (status) => GENERAL.has(status) || status >= 500;

const PROBLEM = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };

// Members that the document doesn't name are a fault here, though clients ignore them. In
// a schema as it is read such are allowed, so each object is closed where it is a value:
// a member, an item, a body. Not inside of allOf and the like, whose parts see one object.
const CLOSED = { unevaluatedProperties: false };
const IN_PLACE = ['allOf', 'anyOf', 'oneOf'];

export class Document {
  #root;
  #ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false, strictRequired: false });
  #validators = new Map();
  #routes = [];
  #servers;

  constructor(root) {
    this.#root = root;
    formats(this.#ajv);
    this.#ajv.addVocabulary(['example']);
    const schemas = Object.entries(root.components?.schemas ?? {}).map(([name, s]) => [name, this.#open(s)]);
    this.#ajv.addSchema({ $id: NAME, $defs: Object.fromEntries(schemas) });
    this.#servers = root.servers.map((s) => s.url).sort((a, b) => b.length - a.length);
    for (const [template, item] of Object.entries(root.paths)) this.#route(template, item);
  }

  static read(file) {
    return new Document(parse(readFileSync(file, 'utf8')));
  }

  // "GET /users/{id}" of all operations.
  get operations() {
    return this.#routes.flatMap((r) => METHODS.filter((m) => r.item[m]).map((m) => `${m.toUpperCase()} ${r.template}`));
  }

  // What is the matter with an answer {method, path, status, type, length, body, skipped}:
  // {operation, template, faults: [text]}, the first two null where the document has none.
  judge(answer) {
    const { template, item } = this.#find(answer.path) ?? {};
    const method = answer.method === 'HEAD' ? 'get' : answer.method.toLowerCase();
    const operation = item?.[method];
    const documented = this.#deref(operation?.responses?.[answer.status]);
    const faults = [];
    if (documented) {
      this.#content(answer, documented, faults);
    } else if (this.#expected(answer.status, item, operation)) {
      this.#content(answer, PROBLEM, faults);
    } else {
      faults.push('the status is not documented');
    }
    return { operation: operation ? `${method.toUpperCase()} ${template}` : null, template: template ?? null, faults };
  }

  // Outside of what is documented only refusals are right: of a path, of a method.
  #expected(status, item, operation) {
    if (operation) return general(status);
    return general(status) || [400, 401, 413].includes(status) || status === (item ? 405 : 404);
  }

  #content(answer, { content }, faults) {
    if (!content) {
      if (answer.length) faults.push('there is a body, and none is documented');
      return;
    }
    if (answer.type === null) {
      faults.push('there is no Content-Type');
      return;
    }
    const type = answer.type.split(';')[0].trim().toLowerCase();
    const media = content[type] ?? content[`${type.split('/')[0]}/*`] ?? content['*/*'];
    if (!media) {
      faults.push(`Content-Type ${type} is not documented, but ${Object.keys(content).join(', ')}`);
    } else if (content[type] && answer.method !== 'HEAD' && answer.body !== undefined) {
      this.#body(answer, media.schema, faults); // by a wildcard it is bytes, whatever they are
    }
  }

  #body(answer, schema, faults) {
    let value;
    try {
      value = JSON.parse(answer.body);
    } catch {
      faults.push('the body is not JSON');
      return;
    }
    const validate = this.#validator(schema);
    if (!validate(value)) faults.push(...said(validate.errors));
    if (/^application\/problem\+json/.test(answer.type) && value?.status !== answer.status) {
      faults.push("/status is not the answer's");
    }
  }

  #validator(schema) {
    let validate = this.#validators.get(schema);
    if (!validate) {
      validate = this.#ajv.compile(this.#closed(schema));
      this.#validators.set(schema, validate);
    }
    return validate;
  }

  #deref(value) {
    const at = (path) => path.slice(2).split('/').reduce((o, k) => o[k.replaceAll('~1', '/').replaceAll('~0', '~')], this.#root);
    return value?.$ref ? this.#deref(at(value.$ref)) : value;
  }

  #closed(schema) {
    const open = this.#open(schema);
    return this.#names(schema) ? { ...open, ...CLOSED } : open;
  }

  // Does it name members, and leave it open whether there are others?
  #names(schema) {
    const parts = [];
    const look = (s) => {
      parts.push(s);
      if (s.$ref) look(this.#deref(s));
      for (const k of IN_PLACE) s[k]?.forEach(look);
    };
    look(schema);
    return parts.some((s) => s.properties) && !parts.some((s) => 'additionalProperties' in s || 'unevaluatedProperties' in s);
  }

  // A copy whose values are closed, but not the schema itself.
  #open(schema) {
    const all = (map) => Object.fromEntries(Object.entries(map).map(([k, s]) => [k, this.#closed(s)]));
    const copy = { ...schema };
    if (copy.$ref) copy.$ref = copy.$ref.replace('#/components/schemas/', `${NAME}#/$defs/`);
    for (const k of IN_PLACE) if (copy[k]) copy[k] = copy[k].map((s) => this.#open(s));
    if (copy.properties) copy.properties = all(copy.properties);
    if (copy.items) copy.items = this.#closed(copy.items);
    if (typeof copy.additionalProperties === 'object') copy.additionalProperties = this.#closed(copy.additionalProperties);
    return copy;
  }

  #route(template, item) {
    const parts = template.split('/').map((p) => (/^\{.*\}$/.test(p) ? '[^/]+' : p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
    this.#routes.push({ template, item, pattern: new RegExp(`^${parts.join('/')}$`), open: template.split('{').length });
    this.#routes.sort((a, b) => a.open - b.open);
    // Compiled at once, so that a broken schema is seen without an answer to it.
    for (const method of METHODS) {
      for (const response of Object.values(item[method]?.responses ?? {})) {
        for (const media of Object.values(this.#deref(response).content ?? {})) this.#validator(media.schema);
      }
    }
  }

  // A path as it was sent; one that goes before another has fewer parameters.
  #find(path) {
    const server = this.#servers.find((s) => path === s || path.startsWith(`${s}/`));
    if (server === undefined) return undefined;
    let plain = path.slice(server.length);
    try {
      plain = plain.split('/').map((p) => decodeURIComponent(p).replaceAll('/', '%2F')).join('/');
    } catch { /* it stays as it was sent */ }
    return this.#routes.find((r) => r.pattern.test(plain));
  }
}

// Errors of Ajv in words, the same for each item of a list. Where none of several schemas
// fits, that is one fault, with what each lacks.
function said(errors) {
  const choices = errors.filter((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf');
  const within = (e, choice) => e.instancePath === choice.instancePath || e.instancePath.startsWith(`${choice.instancePath}/`);
  const first = choices.filter((c) => !choices.some((d) => d !== c && c.instancePath.startsWith(`${d.instancePath}/`)));
  const texts = errors.filter((e) => !first.some((c) => within(e, c))).map(words);
  for (const choice of first) {
    const parts = errors.filter((e) => !choices.includes(e) && within(e, choice) && e.keyword !== 'unevaluatedProperties').map(words);
    texts.push(`${words(choice)}: ${[...new Set(parts)].join('; ').slice(0, 300)}`);
  }
  return texts;
}

function words({ instancePath, keyword, message, params }) {
  const at = instancePath.replaceAll(/\/\d+(?=\/|$)/g, '/*') || 'the body';
  const more = params.unevaluatedProperty ?? params.additionalProperty ?? params.allowedValues ?? params.allowedValue;
  return `${at} ${message}${more === undefined ? '' : `: ${JSON.stringify(more)}`} (${keyword})`;
}
