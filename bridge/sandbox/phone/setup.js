/** What a phone sends to a device it has just linked, so that the device considers itself set up. */
import { deflateSync } from 'node:zlib';
import { proto } from 'baileys/WAProto/index.js';

const Type = proto.Message.ProtocolMessage.Type;
const Sync = proto.HistorySync.HistorySyncType;

function keyShare({ id, data }) {
  return { protocolMessage: { type: Type.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare: { keys: [{
    keyId: { keyId: Buffer.from(id, 'base64') },
    keyData: {
      keyData: Buffer.from(data, 'base64'),
      fingerprint: { rawId: 1, currentIndex: 1, deviceIndexes: [0, 1] },
      timestamp: Date.now(),
    },
  }] } } };
}

function history(syncType, content, progress) {
  // Small enough to travel inside the message: no media server is involved.
  const payload = deflateSync(proto.HistorySync.encode({ syncType, progress, chunkOrder: 1, ...content }).finish());
  return { protocolMessage: { type: Type.HISTORY_SYNC_NOTIFICATION, historySyncNotification: {
    syncType, progress, chunkOrder: 1, fileLength: payload.length, initialHistBootstrapInlinePayload: payload,
  } } };
}

/** @returns {object[]} messages, in the order they have to arrive */
export function setupMessages({ number, name, appStateKey }) {
  return [
    keyShare(appStateKey),
    history(Sync.INITIAL_BOOTSTRAP, { conversations: [] }, 100),
    history(Sync.PUSH_NAME, { pushnames: [{ id: `${number.slice(1)}@s.whatsapp.net`, pushname: name }] }, 100),
    history(Sync.RECENT, { conversations: [] }, 100),
  ];
}
