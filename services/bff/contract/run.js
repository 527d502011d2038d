// Runs the consumer tests of bff: `npm run test:contract` of the service. Pact's library stands in a folder of its
// own, so that running the service does not install it; the sources are copied beside it, where they find
// what they import.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');

if (!installed()) {
  try {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'], { cwd: here, stdio: 'inherit' });
  } catch {
    process.exit(3); // no test has failed: there is none without the library
  }
}
const copy = mkdtempSync(join(modules, '.bff-'));
try {
  for (const dir of [here, dirname(here)]) {
    for (const name of readdirSync(dir)) if (/\.js$|^package\.json$/.test(name)) cpSync(join(dir, name), join(copy, name));
  }
  // One process: two that write one pact file lose interactions.
  const { status } = spawnSync(process.execPath, ['--test', 'contract.test.js'], { cwd: copy, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true });
}

/** Reports whether what package-lock.json names is there. */
function installed() {
  try {
    const there = statSync(join(modules, '.package-lock.json')).mtimeMs;
    return there >= statSync(join(here, 'package-lock.json')).mtimeMs;
  } catch {
    return false;
  }
}
