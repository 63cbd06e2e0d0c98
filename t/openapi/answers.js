// Holds every answer of the API that the tests of this run got (t/lib/WA/Answers.pm)
// against docs/openapi.yaml, and prints TAP: a test for each operation, and one that
// fails for each thing that is the matter.
//   node t/openapi/answers.js FOLDER [DOCUMENT]
// WA_TEST_ALL=1: all tests were run, so that every operation has to have been answered.
import { argv, env, exit, stdout } from 'node:process';

import { report } from './report.js';
import { Document } from './document.js';

const [folder, file = new URL('../../docs/openapi.yaml', import.meta.url)] = argv.slice(2);
const { lines, failed } = report(Document.read(file), folder ?? env.WA_TEST_ANSWERS_DIR, env.WA_TEST_ALL === '1');
stdout.write(`${lines.join('\n')}\n`, () => exit(failed ? 1 : 0));
