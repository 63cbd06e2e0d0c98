/**
 * Shapes shared by the routes.
 */
export const SESSION_ID = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
};

export const SESSION_PARAMS = {
  type: 'object',
  additionalProperties: false,
  required: ['id'],
  properties: { id: SESSION_ID },
};

export const NO_QUERY = { type: 'object', additionalProperties: false, properties: {} };

/** For calls that take no body; an empty object is let pass. */
export const NO_BODY = { type: ['object', 'null'], additionalProperties: false, properties: {} };
