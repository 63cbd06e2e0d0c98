/** The modules by their names in the real page; each has what the library takes from it, and no more. */

const b64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** @param {object} page the parts of the page (app.js) */
export function makeModules(page) {
  const { socket, cmd, conn, keys, me, messages, chats, contacts, chatOf, createWid, asUserWidOrThrow, Wid, MsgKey } = page;
  const wid = (user, server) => (user ? new Wid(user, server) : undefined);
  const none = () => undefined;

  /** Who has no LID at the server is not on WhatsApp. */
  const findOrCreateLatestChat = async (id) => {
    if (!chats.get(id) && !(await socket.exists(id.user))) throw new Error('No LID for user');
    return { chat: chatOf(id) };
  };

  const linking = {
    WAWebSocketModel: { Socket: socket },
    WAWebCmd: { Cmd: cmd },
    WAWebConnModel: { Conn: Object.assign(conn, { serialize: () => ({ pushname: conn.pushname, platform: conn.platform }) }) },
    WAWebOfflineHandler: { OfflineMessageHandler: { getOfflineDeliveryProgress: () => 100 } },
    WAWebAltDeviceLinkingApi: { setPairingType: none, initializeAltDeviceLinking: async () => {}, startAltLinkingFlow: (number) => socket.offerCode(number) },
    WABase64: { encodeB64: b64 },
    WAWebCompanionRegClientUtils: { DEVICE_PLATFORM: '1' },
    WAWebAdvSignatureApi: {},
    WAWebUserPrefsInfoStore: { waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: keys.noise } }) } },
    WAWebSignalStoreApi: { waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: keys.identity } }) } },
    WAWebUserPrefsMultiDevice: { getADVSecretKey: () => keys.secret },
  };

  const running = {
    WAWebCollections: { Msg: messages, Chat: chats, Contact: contacts },
    WAWebUserPrefsMeUser: { getMaybeMePnUser: () => wid(me.pn, 'c.us'), getMaybeMeLidUser: () => wid(me.lid, 'lid') },
    WAWebSyncGatingUtils: { isPlaceholderMessageResendEnabled: () => false },
    WAWebCallCollection: { calls: new Map(), on: none },
    WAWebMiscBrowserUtils: { info: () => ({ os: 'Linux', name: 'Chrome' }) },
  };

  const sending = {
    WAWebWidFactory: { createWid, createWidFromWidLike: createWid, asUserWidOrThrow },
    WAWebFindChatAction: { findOrCreateLatestChat },
    WAWebStreamModel: { Stream: { markAvailable: none, markUnavailable: none } },
    WAWebUpdateUnreadChatAction: { sendSeen: async () => {} },
    WAWebChatGetters: { getIsNewsletter: () => false, getIsBroadcast: () => false },
    WALinkify: { findLink: () => null, findLinks: () => [] },
    WAWebMsgKey: MsgKey,
    WAWebGetEphemeralFieldsMsgActionsUtils: { getEphemeralFields: () => ({}) },
    WAWebSendMsgChatAction: { addAndSendMsgToChat: page.addAndSendMsgToChat },
    WAWebQueryExistsJob: { queryWidExists: async (id) => ((await socket.exists(id.user)) ? { wid: id } : null) },
  };

  const changes = { WAWebAddonReactionTableMode: { reactionTableMode: page.reactionTable } };

  return { ...linking, ...running, ...sending, ...page.files, ...changes };
}
