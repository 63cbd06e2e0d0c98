import js from '@eslint/js';

const NODE = {
  AbortController: 'readonly',
  AbortSignal: 'readonly',
  Buffer: 'readonly',
  URL: 'readonly',
  URLSearchParams: 'readonly',
  WebSocket: 'readonly',
  TextDecoder: 'readonly',
  TextDecoderStream: 'readonly',
  TextEncoder: 'readonly',
  clearImmediate: 'readonly',
  clearInterval: 'readonly',
  clearTimeout: 'readonly',
  console: 'readonly',
  fetch: 'readonly',
  performance: 'readonly',
  process: 'readonly',
  queueMicrotask: 'readonly',
  setImmediate: 'readonly',
  setInterval: 'readonly',
  setTimeout: 'readonly',
  structuredClone: 'readonly',
};

const BROWSER = {
  addEventListener: 'readonly',
  atob: 'readonly',
  btoa: 'readonly',
  confirm: 'readonly',
  crypto: 'readonly',
  Image: 'readonly',
  matchMedia: 'readonly',
  self: 'readonly',
  CustomEvent: 'readonly',
  Event: 'readonly',
  EventSource: 'readonly',
  FormData: 'readonly',
  HTMLElement: 'readonly',
  Node: 'readonly',
  customElements: 'readonly',
  document: 'readonly',
  history: 'readonly',
  indexedDB: 'readonly',
  localStorage: 'readonly',
  location: 'readonly',
  navigator: 'readonly',
  requestAnimationFrame: 'readonly',
  sessionStorage: 'readonly',
  window: 'readonly',
};

export default [
  { ignores: ['node_modules/**', 'coverage/**', '**/vendor/**'] },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: NODE },
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-throw-literal': 'error',
      'no-promise-executor-return': 'off',
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // Keys are printed by libraries that write to the console; the bridge itself logs through pino only.
    files: ['src/**/*.js'],
    rules: { 'no-console': 'error' },
  },
  { files: ['src/engines/baileys/hooks.js'], rules: { 'no-console': 'off' } },
  {
    // What runs in a page, and what hands functions to one.
    files: ['sandbox/page/**/*.js', 'sandbox/web/**/*.js', 'src/engines/webjs/**/*.js', 'test/**/*page*.js', 'test/webjs/**/*.js'],
    languageOptions: { globals: { ...NODE, ...BROWSER } },
  },
];
