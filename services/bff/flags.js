// Feature flags in flagd's format, read again when their file has changed.

import { readFileSync, statSync } from 'node:fs';
import { log } from './log.js';

const every = 100; // ms between two looks at the file

let flags = {};
let changed = 0; // of what was read
let looked = -Infinity;

/** Whether a pattern of this service is in use: it is, unless the flag "bff.<pattern>" is false. */
export function on(pattern) {
  read(process.env.FLAGS_FILE);
  const flag = flags[`bff.${pattern}`];
  return flag?.state !== 'ENABLED' || flag.variants?.[flag.defaultVariant] !== false;
}

/** Reads the file where it is another than before. One that cannot be read changes nothing. */
function read(file) {
  if (!file || performance.now() - looked < every) return;
  looked = performance.now();
  try {
    const { mtimeMs } = statSync(file);
    if (mtimeMs === changed) return;
    flags = JSON.parse(readFileSync(file, 'utf8')).flags ?? {};
    changed = mtimeMs;
  } catch (err) {
    log.warn('flags kept as they were', { err: String(err) });
  }
}
