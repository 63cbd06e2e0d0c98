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
