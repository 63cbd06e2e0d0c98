/**
 * An engine without WhatsApp: the test says what happens on its links.
 */
export function fakeEngine() {
  const engine = {
    name: 'fake',
    version: '1',
    capabilities: ['text', 'contact_check', 'caller_message_id'],
    links: [],
    erased: 0,
    linked: false,
    onSend: async () => {},
    numbers: new Map(),
    asked: [],
    async openAccount() {
      return {
        get linked() {
          return engine.linked;
        },
        identity: () => ({ phone: '+4915111111111', pushName: 'Ada' }),
        receive: (onInbound) => {
          engine.inbound = onInbound;
        },
        encode: async ({ text }) => Buffer.from(text),
        connect(handlers) {
          const link = {
            handlers,
            sent: [],
            ended: false,
            async send(message) {
              link.sent.push(message);
              await engine.onSend(message, link);
            },
            async lookup(phone) {
              engine.asked.push(phone);
              return engine.numbers.has(phone) ? engine.numbers.get(phone) : `${phone}@s.whatsapp.net`;
            },
            unlink: async () => {},
            end: () => {
              link.ended = true;
            },
          };
          engine.links.push(link);
          return link;
        },
        settled: true,
        flush: async () => {},
        erase: async () => {
          engine.erased += 1;
          engine.linked = false;
        },
        close: async () => {},
      };
    },
  };
  /** Opens the newest link. */
  engine.open = () => {
    engine.linked = true;
    const link = engine.links.at(-1);
    link.handlers.onOpen({ phone: '+4915111111111', pushName: 'Ada' });
    return link;
  };
  return engine;
}
