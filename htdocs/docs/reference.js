/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: Swagger UI on openapi.yaml, in the light or dark of the reader. */
/* global SwaggerUIBundle */

const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

SwaggerUIBundle({
  url: '/api/docs/openapi.yaml',
  dom_id: '#reference',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false, // keys stay in memory
  validatorUrl: null // nothing leaves for elsewhere
});

/* What Swagger UI leaves out for people without a mouse or without sight. */
const NAMES = { servers: 'Server', contentType: 'Media type' };

function mend() {
  for (const select of document.querySelectorAll('#reference select:not([aria-label])')) {
    select.setAttribute('aria-label', NAMES[select.id] ?? (select.className.includes('examples') ? 'Example' : 'Value'));
  }
  for (const pre of document.querySelectorAll('#reference pre:not([tabindex])')) pre.tabIndex = 0;
}
new MutationObserver(mend).observe(document.getElementById('reference'), { childList: true, subtree: true });
