// Configuration comes from the environment alone.

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Reads a duration such as 200ms or 1.5s, in milliseconds. */
export function duration(name, other) {
  const value = process.env[name] || other;
  const found = /^([0-9.]+)(ms|s|m|h)$/.exec(value);
  if (!found) throw new Error(`read ${name}: ${JSON.stringify(value)} is not a duration such as 1.5s`);
  return Number(found[1]) * units[found[2]];
}

/** Reads a whole number. */
export function whole(name, other) {
  const value = process.env[name];
  if (!value) return other;
  if (!/^[0-9]+$/.test(value)) throw new Error(`read ${name}: ${JSON.stringify(value)} is not a whole number`);
  return Number(value);
}
