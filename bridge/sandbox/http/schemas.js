/** The shapes of requests. */
import { STRIKE_NAMES } from '../wa/faults.js';

const string = (maxLength, minLength = 1) => ({ type: 'string', minLength, maxLength });
/** Numbers in a query are text; bodies are not coerced, so these are not either. */
const digits = { type: 'string', pattern: '^[0-9]{1,9}$' };
const body = (properties, required = Object.keys(properties)) => ({
  type: 'object', additionalProperties: false, properties, required,
});

export const createPhone = { body: body({ number: string(32), name: string(100) }) };
export const scan = { body: body({ qr: string(4096) }) };
export const linkCode = { body: body({ code: { type: 'string', pattern: '^[0-9A-Za-z]{4}-?[0-9A-Za-z]{4}$' } }) };
export const send = {
  body: body({ to: string(32), text: string(65536), quote: string(200), hidden: { type: 'boolean' } }, ['to', 'text']),
};
export const react = { body: body({ message_id: string(200), emoji: string(32, 0) }) };
export const edit = { body: body({ message_id: string(200), text: string(65536) }) };
export const remove = { body: body({ message_id: string(200) }) };
export const sendFile = {
  querystring: {
    type: 'object', additionalProperties: false, required: ['to', 'type'],
    properties: {
      to: string(32), type: { type: 'string', enum: ['image', 'video', 'audio', 'voice', 'document'] }, file_name: string(255),
      caption: string(65536, 0), quote: string(200), seconds: digits,
    },
  },
};
export const online = { body: body({ online: { type: 'boolean' } }) };
export const unlink = { body: { anyOf: [{ type: 'null' }, body({ device_id: { type: 'integer', minimum: 1, maximum: 255 } }, [])] } };
export const read = { body: { ...body({ message_id: string(200), chat: string(32) }, []), minProperties: 1, maxProperties: 1 } };
export const messages = {
  querystring: {
    type: 'object', additionalProperties: false,
    properties: { chat: string(32), limit: digits },
  },
};
export const log = {
  querystring: {
    type: 'object', additionalProperties: false,
    properties: { after: digits, limit: digits, kind: string(32) },
  },
};
export const strike = { body: body({ fault: { enum: STRIKE_NAMES } }) };
export const faults = {
  body: {
    ...body({
      ack_delay_ms: { type: 'integer', minimum: 0, maximum: 600000 },
      drop_acks: { type: 'integer', minimum: 0, maximum: 1000000 },
      close_before_ack: { type: 'integer', minimum: 0, maximum: 1000000 },
      media: { anyOf: [{ type: 'null' }, body({
        down: { type: 'boolean' }, gone: { type: 'boolean' }, corrupt: { type: 'boolean' },
        refuse: { type: 'integer', minimum: 400, maximum: 599 },
      }, [])] },
      duplicate_acks: { type: 'integer', minimum: 0, maximum: 1000000 },
      reverse_acks: { type: 'integer', minimum: 0, maximum: 1000 },
      qr_codes: { type: ['integer', 'null'], minimum: 0, maximum: 6 },
      reject: { anyOf: [{ type: 'null' }, body({ to: string(32), code: { type: 'integer', minimum: 400, maximum: 599 } })] },
    }, []),
    minProperties: 1,
  },
};
