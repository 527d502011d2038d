// Runs the consumer tests, `npm run test:contract` of the service, with what they need: the service's modules and
// Pact's, each installed where its package-lock.json has changed since.

import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

for (const cwd of [dirname(here), here]) {
  if (!installed(cwd)) execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--silent'], { cwd, stdio: 'inherit' });
}
// One process: two that write one pact file lose interactions.
process.exitCode = spawnSync(process.execPath, ['--test', join(here, 'contract.js')], { stdio: 'inherit' }).status ?? 1;

/** Reports whether what package-lock.json names is there. */
function installed(dir) {
  try {
    const there = statSync(join(dir, 'node_modules', '.package-lock.json')).mtimeMs;
    return there >= statSync(join(dir, 'package-lock.json')).mtimeMs;
  } catch {
    return false;
  }
}
