// Errors that a client is told (RFC 9457), in the form of the fleet's other services.

import { STATUS_CODES } from 'node:http';

export class Problem extends Error {
  constructor(status, code, detail) {
    super(`${status} ${code}: ${detail}`);
    Object.assign(this, { status, code, detail });
  }

  body(correlation) {
    const { status, code, detail } = this;
    return { status, code, title: STATUS_CODES[status] ?? '', detail, correlation_id: correlation };
  }
}

/** What a client is told of any error: the text of one that was not meant for it stays here. */
export function problemOf(err) {
  return err instanceof Problem ? err : new Problem(500, 'internal', 'something went wrong here');
}

/** What the log is told of an error: its cause too. */
export function told(err) {
  const text = err?.message ?? String(err);
  return err?.cause ? `${text}: ${told(err.cause)}` : text;
}
