// bff is the backend of the shop's front end: it makes one order page from four services.

import { duration, whole } from './env.js';
import { log } from './log.js';
import { serve } from './server.js';
import * as telemetry from './telemetry.js';

const flush = await telemetry.start();

try {
  await fetch('data:,'); // Node loads fetch when it is first used: not while somebody waits for a page
  const grace = duration('GRACE', '8s');
  const port = whole('HTTP_PORT', whole('PORT', 0));
  const server = await serve(process.env.HOST || '127.0.0.1', port, process.env, duration('PART_TIMEOUT', '300ms'));
  const reason = await new Promise((done) => {
    process.on('SIGTERM', done); // a second one changes nothing
    process.on('SIGINT', done);
  });
  log.debug('service stopping', { reason });
  await server.stop(grace);
  log.info('service stopped');
} catch (err) {
  log.error('service failed', { err: String(err) });
  process.exitCode = 1;
}
await flush();
process.exit(); // with what exitCode says: an export that nobody answers does not hold it
