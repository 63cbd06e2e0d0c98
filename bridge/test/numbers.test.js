/**
 * The world's phone numbers before the reader of recipients (mod_whatsapp/core/wa_recipient.c): libphonenumber's
 * examples of each region and kind, and numbers that it calls valid around them, as people write them, and spoilt.
 *
 * The numbers are the same each time. What is right comes from how a text was made, not from libphonenumber: a number is
 * taken when E.164 has room for it (7 to 15 digits, no zero in front), and comes out as "+" and its digits.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import phone from 'google-libphonenumber';

const READER = fileURLToPath(new URL('../../build/unit/recipients', import.meta.url));
const ENOUGH = 2000;
const util = phone.PhoneNumberUtil.getInstance();
const { E164, INTERNATIONAL, RFC3966 } = phone.PhoneNumberFormat;
// Numbers of no country: freephone, satellites, ….
const NON_GEOGRAPHIC = [800, 808, 870, 878, 881, 882, 883, 888, 979];

/** @returns all valid example numbers, each once, as "+…" */
function examples() {
  const found = new Set();
  const keep = (number) => number && util.isValidNumber(number) && found.add(util.format(number, E164));
  for (const region of util.getSupportedRegions()) {
    keep(util.getExampleNumber(region));
    for (const type of Object.values(phone.PhoneNumberType)) keep(util.getExampleNumberForType(region, type));
  }
  for (const code of NON_GEOGRAPHIC) keep(util.getExampleNumberForNonGeoEntity(code));
  return found;
}

/** @returns the examples and, for each, two numbers that differ from it in their last digits and are valid too */
function numbers() {
  const all = examples();
  for (const example of [...all]) {
    const room = Math.min(4, example.length - 5);
    let more = 0;
    for (let i = 1; i <= 40 && more < 2; i++) {
      const tail = String((Number(example.slice(-room)) + i * 37) % 10 ** room).padStart(room, '0');
      const text = example.slice(0, -room) + tail;
      if (!all.has(text) && util.isValidNumber(util.parse(text))) {
        all.add(text);
        more++;
      }
    }
  }
  return [...all];
}

const pairs = (digits) => digits.match(/\d{1,2}/g);

// [what, text] of a number as it may be written; digits without "+", written as libphonenumber does.
const GOOD = (digits, written) => [
  ['with +', `+${digits}`],
  ['without +', digits],
  ['as it is written', written],
  ['with dots', `+${pairs(digits).join('.')}`],
  ['with hyphens', pairs(digits).join('-')],
  ['with brackets', `+${digits.slice(0, 2)} (${digits.slice(2, 4)}) ${digits.slice(4)}`],
  ['with brackets in front', `(${digits.slice(0, 2)})${digits.slice(2)}`],
  ['with a space behind', `+${digits} `],
  ['as an id', `${digits}@s.whatsapp.net`],
  ['as an older id', `${digits}@c.us`],
];

// Digits that are none of ASCII's, by the code point of their zero.
const ZEROS = {
  'Arabic-Indic': 0x660, 'Persian': 0x6f0, 'N\'Ko': 0x7c0, 'Devanagari': 0x966, 'Bengali': 0x9e6, 'Tamil': 0xbe6, 'Thai': 0xe50,
  'Tibetan': 0xf20, 'Khmer': 0x17e0, 'Mongolian': 0x1810, 'subscript': 0x2080, 'fullwidth': 0xff10, 'bold': 0x1d7ce, 'double-struck': 0x1d7d8,
};
const inDigits = (text, zero) => text.replace(/\d/g, (d) => String.fromCodePoint(zero + Number(d)));

const BAD = (digits, written, rfc3966) => [
  ...Object.entries(ZEROS).flatMap(([script, zero]) => [
    [`in ${script} digits`, `+${inDigits(digits, zero)}`],
    [`with one ${script} digit`, `+${digits.slice(0, -1)}${inDigits(digits.slice(-1), zero)}`],
    [`an id in ${script} digits`, `${inDigits(digits, zero)}@s.whatsapp.net`],
  ]),
  ['with 00', `00${digits}`],
  ['with a zero in front', `0${digits}`],
  ['with a zero behind +', `+0${digits}`],
  ['with ++', `++${digits}`],
  ['with + and a space before', ` +${digits}`],
  ['with + inside', `${digits.slice(0, 3)}+${digits.slice(3)}`],
  ['with + behind', `${digits}+`],
  ['with a fullwidth +', `\uff0b${digits}`],
  ['negative', `-+${digits}`],
  ['with a letter', `+${digits.slice(0, 5)}O${digits.slice(5)}`],
  ['with an exponent', `${digits}e0`],
  ['hexadecimal', `0x${digits}`],
  ['with a slash', `+${digits.slice(0, 4)}/${digits.slice(4)}`],
  ['with a comma', `+${digits},1`],
  ['with a semicolon', `+${digits};1`],
  ['with *', `*${digits}`],
  ['with #', `+${digits}#`],
  ['with an extension', `${written} ext. 5`],
  ['with x and an extension', `+${digits}x5`],
  ['as RFC 3966 has it', rfc3966],
  ['as whatsapp:', `whatsapp:+${digits}`],
  ['as a link', `https://wa.me/${digits}`],
  ['two of them', `+${digits} +${digits}`],
  ['two by a comma', `+${digits},+${digits}`],
  ['with a tab', `+${digits.slice(0, 4)}\t${digits.slice(4)}`],
  ['with a line break', `+${digits}\n`],
  ['with a carriage return', `+${digits}\r`],
  ['with a no-break space', `+${digits.slice(0, 4)}\u00a0${digits.slice(4)}`],
  ['with a zero-width space', `+${digits.slice(0, 4)}\u200b${digits.slice(4)}`],
  ['with a mark of direction', `\u202a+${digits}\u202c`],
  ['with a byte order mark', `\ufeff+${digits}`],
  ['with a non-breaking hyphen', `+${digits.slice(0, 4)}\u2011${digits.slice(4)}`],
  ['with a dash', `+${digits.slice(0, 4)}\u2013${digits.slice(4)}`],
  ['with quotes', `'+${digits}'`],
  ['too short', `+${digits.slice(0, 6)}`],
  ['too long', `+${digits.padEnd(16, '1')}`],
  ['much too long', `+${digits}${'1'.repeat(60)}`],
  ['with more around it than a number has', `+${digits}${' '.repeat(60)}`],
  ['an id with +', `+${digits}@s.whatsapp.net`],
  ['an id with a space', `${digits.slice(0, 4)} ${digits.slice(4)}@s.whatsapp.net`],
  ['an id with a space behind', `${digits}@s.whatsapp.net `],
  ['an id in capitals', `${digits}@S.WHATSAPP.NET`],
  ['an id of a device', `${digits}:1@s.whatsapp.net`],
  ['an id of an agent', `${digits}.0:1@s.whatsapp.net`],
  ['an id with a zero', `0${digits}@s.whatsapp.net`],
  ['an id too long', `${digits.padEnd(16, '1')}@s.whatsapp.net`],
  ['an id of another server', `${digits}@s.whatsapp.net.example.org`],
  ['an id of half a server', `${digits}@whatsapp.net`],
  ['an id of a server in Cyrillic', `${digits}@\u0441.us`],
  ['an id of no server', `${digits}@`],
  ['an id with @ twice', `${digits}@@s.whatsapp.net`],
  ['an id twice', `${digits}@s.whatsapp.net@s.whatsapp.net`],
  ['a group', `${digits}@g.us`],
  ['an old group', `${digits}-1500000000@g.us`],
  ['a hidden id', `${digits}@lid`],
  ['a channel', `${digits}@newsletter`],
  ['a list', `${digits}@broadcast`],
  ['hosted', `${digits}@hosted`],
];

/** @returns what the reader says to each text, and null where it refuses */
function read(texts) {
  const run = spawnSync(READER, { input: texts.map((text) => `${text}\0`).join(''), maxBuffer: 1 << 28, encoding: 'utf8' });
  assert.equal(run.error, undefined, `${READER} is made by: make -C mod_whatsapp unit`);
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.split('\n').slice(0, -1);
  assert.equal(lines.length, texts.length);
  return lines.map((line) => (line === '-' ? null : line));
}

/** @param cases [what, text, right answer or null] @returns those that it gets wrong */
function wrong(cases) {
  const got = read(cases.map(([, text]) => text));
  return cases.map(([what, text, right], i) => ({ what, text, right, got: got[i] })).filter(({ right, got: said }) => right !== said);
}

const all = numbers();
const fits = (number) => /^\+[1-9]\d{6,14}$/.test(number);
const asWritten = (number, format) => util.format(util.parse(number), format);

test('there are 2,000 valid numbers, of every calling code and kind', (t) => {
  const codes = new Set(all.map((number) => util.parse(number).getCountryCode()));
  t.diagnostic(`${all.length} numbers of ${codes.size} calling codes, ${all.filter((number) => !fits(number)).length} of them not E.164's`);
  assert.ok(all.length >= ENOUGH, String(all.length));
  assert.deepEqual(util.getSupportedRegions().filter((region) => !codes.has(util.getCountryCodeForRegion(region))), []);
  const kinds = new Set(all.map((number) => util.getNumberType(util.parse(number))));
  assert.deepEqual(Object.entries(phone.PhoneNumberType).filter(([name, type]) => name !== 'UNKNOWN' && !kinds.has(type)), []);
});

test('each is taken however it is written, and comes out in one form', (t) => {
  const cases = all.flatMap((number) => {
    const digits = number.slice(1);
    const right = fits(number) ? `${number} ${digits}@s.whatsapp.net` : null;
    return GOOD(digits, asWritten(number, INTERNATIONAL)).map(([what, text]) => [what, text, right]);
  });
  t.diagnostic(`${cases.length} texts`);
  assert.deepEqual(wrong(cases).slice(0, 10), []);
});

test('each is refused when it is spoilt', (t) => {
  const cases = all.flatMap((number) =>
    BAD(number.slice(1), asWritten(number, INTERNATIONAL), asWritten(number, RFC3966)).map(([what, text]) => [what, text, null]));
  t.diagnostic(`${cases.length} texts`);
  assert.deepEqual(wrong(cases).slice(0, 10), []);
});
