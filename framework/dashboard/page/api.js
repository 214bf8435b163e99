// Asking the dashboard, with the token where there is one. It is kept for this tab only.
import { parse } from './format.js';

let token = null;
try { token = sessionStorage.getItem('weir-token'); } catch { /* keeps nothing */ }

// Who acts, for the record; known to this browser only.
export function operator(name) {
  try {
    if (name !== undefined) localStorage.setItem('weir-operator', name);
    return localStorage.getItem('weir-operator') ?? '';
  } catch {
    return name ?? '';
  }
}

export const hasToken = () => token !== null;

export function setToken(value) {
  token = value;
  try {
    if (value === null) sessionStorage.removeItem('weir-token');
    else sessionStorage.setItem('weir-token', value);
  } catch { /* it lasts until the page is loaded anew */ }
}

export class Problem extends Error {
  constructor(status, detail, result) {
    super(detail);
    this.status = status;
    this.result = result;
  }
}

export function headers(more) {
  return token === null ? { ...more } : { ...more, Authorization: `Bearer ${token}` };
}

// The path of a command: each word as one part.
export const path = (...words) => words.map((word) => encodeURIComponent(word)).join('/');

export function query(options) {
  const given = Object.entries(options).filter(([, value]) => value !== '' && value !== null &&
    value !== undefined && value !== false);
  return given.length === 0 ? '' : '?' + new URLSearchParams(given.map(([name, value]) =>
    [name, value === true ? '' : value]));
}

async function read(response) {
  const body = await response.text();
  let value = null;
  try { value = parse(body); } catch { /* no JSON: an answer of the HTTP server itself */ }
  if (response.ok)
    return { value, now: Number(response.headers.get('Weir-Time')),
      remark: response.headers.get('Weir-Remark') };
  throw new Problem(response.status, value?.detail ?? (body.trim() || response.statusText),
    value?.result);
}

async function call(where, options) {
  let response;
  try {
    response = await fetch(`api/${where}`, { ...options, cache: 'no-store', redirect: 'error' });
  } catch {
    throw new Problem(0, 'the dashboard does not answer');
  }
  return read(response);
}

export const get = (where, signal) => call(where, { headers: headers(), signal });

export const post = (where, options) => call(where, {
  method: 'POST', headers: headers({ 'Content-Type': 'application/json' }),
  body: JSON.stringify({ ...options, ...(operator() ? { as: operator() } : {}) }),
});
