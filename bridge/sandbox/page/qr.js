/** Finds a QR code in a picture: the browser's own detector where there is one, jsQR elsewhere. */

const SIZES = [0, 1000, 600, 1600, 350];

function load(url) {
  return new Promise((resolve, reject) => {
    const img = new Image();
    img.onload = () => resolve(img);
    img.onerror = () => reject(new Error('no image'));
    img.src = url;
  });
}

/** The picture on white, its longer side `size` pixels (0: as it is, at most 2000), with a quiet zone. */
function draw(img, size) {
  const natural = Math.max(img.naturalWidth, img.naturalHeight) || 800;
  const scale = (size || Math.min(natural, 2000)) / natural;
  const w = Math.max(1, Math.round((img.naturalWidth || 800) * scale));
  const h = Math.max(1, Math.round((img.naturalHeight || 800) * scale));
  const pad = 32;
  const canvas = Object.assign(document.createElement('canvas'), { width: w + 2 * pad, height: h + 2 * pad });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(img, pad, pad, w, h);
  return { canvas, context };
}

async function detect(canvas) {
  if (!('BarcodeDetector' in window)) return null;
  try {
    const found = await new window.BarcodeDetector({ formats: ['qr_code'] }).detect(canvas);
    return found[0]?.rawValue ?? null;
  } catch {
    return null;
  }
}

/** @param {string} url of an image @returns {Promise<string | null>} the text of the code */
export async function readQrFromImage(url) {
  const img = await load(url);
  if (!self.jsQR) await import('/page/vendor/jsqr.js');
  for (const size of SIZES) {
    const { canvas, context } = draw(img, size);
    const native = await detect(canvas);
    if (native) return native;
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    const found = self.jsQR(data, width, height, { inversionAttempts: 'attemptBoth' });
    if (found?.data) return found.data;
  }
  return null;
}
