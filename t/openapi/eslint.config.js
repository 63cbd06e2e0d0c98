export { default } from '../../bridge/eslint.config.js';
