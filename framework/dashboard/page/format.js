// Numbers, times and JSON as people read them.

const pad = (number, width = 2) => String(number).padStart(width, '0');

// As the command line writes it: 850ms, 12.3s, 3m12s, 2h05m, 3d4h.
export function span(ms) {
  if (!(ms > 0)) return '0ms';
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (ms < 1000) return `${Math.floor(ms)}ms`;
  if (seconds < 60) return `${seconds}.${Math.floor(ms % 1000 / 100)}s`;
  if (minutes < 60) return `${minutes}m${pad(seconds % 60)}s`;
  if (hours < 24) return `${hours}h${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

// The same without what changes several times a second: for ages that go on.
export function age(ms) {
  return ms < 60000 ? `${Math.max(0, Math.floor(ms / 1000))}s` : span(ms);
}

export function clock(ms, withMs = false) {
  const date = new Date(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}` +
    (withMs ? `.${pad(date.getMilliseconds(), 3)}` : '');
}

export function moment(ms, now) {
  const date = new Date(ms);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return new Date(now).toDateString() === date.toDateString() ? clock(ms) : `${day} ${clock(ms)}`;
}

export const iso = (ms) => {
  try { return new Date(ms).toISOString(); } catch { return String(ms); }
};

// To make an Intl.NumberFormat for this takes a browser longer than all else on the first screen.
export function count(number) {
  if (typeof number !== 'number') return '–';
  return String(Math.round(number * 1000) / 1000).replace(/\B(?=(\d{3})+(\.|$))/g, '\u202f');
}

export function rate(number) {
  if (typeof number !== 'number') return '–';
  if (number >= 100) return count(Math.round(number));
  return number >= 10 || number === 0 ? number.toFixed(number === 0 ? 0 : 1) : number.toFixed(2);
}

export function bytes(number) {
  if (typeof number !== 'number') return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) number /= 1024, unit++;
  return `${unit === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}

// Whole numbers beyond 2^53 stay what they are, where the browser tells their digits.
export function parse(json) {
  if (!/\d{16}/.test(json)) return JSON.parse(json);
  return JSON.parse(json, (key, value, context) =>
    typeof value === 'number' && /^-?\d+$/.test(context?.source ?? '') && !Number.isSafeInteger(value)
      ? BigInt(context.source) : value);
}

export function pretty(value, indent = '') {
  const inner = indent + '  ';
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value))
    return value.length === 0 ? '[]'
      : `[\n${value.map((one) => inner + pretty(one, inner)).join(',\n')}\n${indent}]`;
  if (value && typeof value === 'object') {
    const members = Object.entries(value);
    return members.length === 0 ? '{}'
      : `{\n${members.map(([name, one]) =>
        `${inner}${JSON.stringify(name)}: ${pretty(one, inner)}`).join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value);
}
