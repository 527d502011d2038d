// JSON logs on standard output and over OTLP, with the keys of the fleet's other services.

import { isSpanContextValid, trace } from '@opentelemetry/api';

import { correlation, logged } from './telemetry.js';

const levels = ['debug', 'info', 'warn', 'error'];
const least = levels.indexOf((process.env.LOG_LEVEL || 'info').toLowerCase());

function write(level, msg, more) {
  if (levels.indexOf(level) < least) return;
  const line = { time: new Date().toISOString(), level: level.toUpperCase(), msg, ...more };
  const span = trace.getActiveSpan()?.spanContext();
  if (span && isSpanContextValid(span)) line.trace = span.traceId;
  if (correlation()) line.correlation = correlation();
  process.stdout.write(JSON.stringify(line) + '\n');
  logged(line);
}

export const log = Object.fromEntries(levels.map((l) => [l, (msg, more) => write(l, msg, more)]));
