// Pieces that several screens use.
import { h, text, show } from './dom.js';
import { age, count, iso, moment, pretty, bytes } from './format.js';
import { get, hasToken, operator, post, setToken } from './api.js';

// What all screens see; main.js keeps it.
export const app = {
  info: null, // what api/info says
  top: null, // the overview
  data: new Map(), // topic → its last event
  now: () => Date.now(), // the server's clock
  render: () => {}, watchAgain: () => {},
  open: new Set(), // payloads that are shown
};

// ---- Small things -----------------------------------------------------------------------------

const MARKS = { running: '▸', compensating: '◂', suspended: '‖', completed: '✓', compensated: '↺',
  succeeded: '✓', failed: '✕', 'timed-out': '⌛', skipped: '–', pending: '·', alive: '●', silent: '◌',
  gone: '○', ok: '✓', reading: '✓', behind: '▲', unattended: '■', forgotten: '✕', idle: '◌', stopped: '‖', parked: '‖', paused: '‖', done: '✓', waiting: '·' };

// A state is told by a word and a mark, and by its colour only besides.
export function state(word) {
  const known = word ?? 'unknown';
  return h('span', { class: 'state', 'data-state': known },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[known.split(' ')[0]] ?? '·'), text(known, 'span'));
}

export function since(ms) {
  if (typeof ms !== 'number' || ms < 0) return h('span', { class: 'none' }, '–');
  return h('time', { datetime: iso(ms), title: `${moment(ms, app.now())} (${iso(ms)})` },
    age(app.now() - ms));
}

export function at(ms) {
  if (typeof ms !== 'number' || ms <= 0) return h('span', { class: 'none' }, '–');
  return h('time', { datetime: iso(ms), title: iso(ms) }, moment(ms, app.now()));
}

export const number = (value, extra) =>
  h('span', { class: `number ${value ? extra ?? '' : 'none'}` }, count(value));

export const empty = (...words) => h('p', { class: 'empty' }, ...words);

export function waiting() {
  return h('p', { class: 'empty', 'aria-busy': 'true' }, 'Asking the server …');
}

export function refusal(event) {
  return h('p', { class: 'empty bad', role: 'alert' }, text(event.detail));
}

// The last event of a topic, or what to show in its place.
export function known(topic) {
  const event = app.data.get(topic);
  if (!event) return { instead: waiting() };
  return event.status ? { instead: refusal(event) } : { value: event.result };
}

export function heading(title, ...more) {
  return h('div', { class: 'heading' }, h('h1', null, title), ...more);
}

export function panel(title, ...children) {
  return h('section', { class: 'panel' }, title ? h('h2', null, title) : null, ...children);
}

// columns: [{head, cell: row → content, class, key}]. Rows with `href` can be walked by j and k.
export function table(label, columns, rows, options = {}) {
  return h('div', { class: 'scroller', tabindex: null },
    h('table', { 'aria-label': label },
      h('thead', null, h('tr', null, columns.map((column) =>
        h('th', { scope: 'col', class: column.class }, column.head)))),
      h('tbody', null, rows.map((row, i) =>
        h('tr', { key: options.key ? options.key(row) : i, 'data-href': options.href?.(row) ?? null,
          class: options.mark?.(row) ? 'marked' : null },
        columns.map((column) => h('td', { class: column.class, 'data-head': column.head || null },
          column.cell(row))))))));
}

// ---- Payloads -----------------------------------------------------------------------------------

const SHOWN_AT_FIRST = 20000;

// JSON on demand: made only when it is opened, and a large one not all at once.
export function payload(key, label, value) {
  if (value === null || value === undefined) return h('span', { class: 'none' }, '–');
  const open = app.open.has(key), whole = app.open.has(`${key} whole`);
  const toggle = (what) => () => {
    if (!app.open.delete(what)) app.open.add(what);
    app.render();
  };
  const body = open ? (typeof value === 'string' ? value : pretty(value)) : '';
  const cut = !whole && body.length > SHOWN_AT_FIRST;
  return h('div', { class: 'payload', key: `payload ${key}` },
    h('button', { class: 'small', 'aria-expanded': String(open), onclick: toggle(key) },
      open ? `Hide ${label}` : `Show ${label}`),
    open ? h('pre', { tabindex: '0', 'aria-label': label }, cut ? body.slice(0, SHOWN_AT_FIRST) : body) : null,
    open && cut ? h('button', { class: 'small', onclick: toggle(`${key} whole`) },
      `Show all ${bytes(body.length)}`) : null);
}

// ---- Telling ------------------------------------------------------------------------------------

let quiet;
export function say(sentence, bad = false) {
  const place = document.getElementById('said');
  place.className = bad ? 'said bad shown' : 'said shown';
  show(place, text(sentence, 'span'));
  clearTimeout(quiet);
  quiet = setTimeout(() => { place.className = 'said'; }, bad ? 12000 : 5000);
}

// ---- Dialogs ------------------------------------------------------------------------------------

// fields: [{name, label, kind: 'text'|'password'|'json'|'choice', value, choices, required, hint}].
// Resolves with their values, or null. `act` is tried while the dialog is open: what it throws is
// told there, and nothing that was written is lost.
export function ask({ title, body, fields = [], button, danger, act }) {
  return new Promise((resolve) => {
    const inputs = new Map();
    const trouble = h('p', { class: 'bad', role: 'alert' });
    const go = h('button', { class: danger ? 'danger' : 'primary', type: 'submit' }, button);
    const field = (one) => {
      const input = one.kind === 'choice'
        ? h('select', { name: one.name }, one.choices.map((choice) => h('option', { value: choice }, choice)))
        : one.kind === 'json'
          ? h('textarea', { name: one.name, rows: '10', spellcheck: 'false' })
          : h('input', { name: one.name, type: one.kind ?? 'text', autocomplete: 'off', spellcheck: 'false' });
      input.value = one.value ?? input.value;
      inputs.set(one.name, input);
      return h('label', null, h('span', null, one.label), input,
        one.hint ? h('small', null, one.hint) : null);
    };
    const form = h('form', { method: 'dialog' }, h('h2', null, title), body ? h('div', null, body) : null,
      fields.map(field), trouble,
      h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => end(null) }, 'Leave it'), go));
    const dialog = h('dialog', { 'aria-label': title }, form);
    const end = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    dialog.addEventListener('cancel', (event) => { event.preventDefault(); end(null); });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const values = Object.fromEntries([...inputs].map(([name, input]) => [name, input.value]));
      go.disabled = true;
      try {
        end(act ? await act(values) : values);
      } catch (problem) {
        show(trouble, text(problem.message, 'span'));
        go.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    (inputs.values().next().value ?? go).focus();
  });
}

export async function signIn(why) {
  const done = await ask({
    title: 'Token', button: 'Use it',
    body: [why ?? 'Whoever has the token of this dashboard may act. It is kept in this tab until it is closed.'],
    fields: [{ name: 'token', label: 'Token', kind: 'password' },
      { name: 'name', label: 'Your name, for the record of actions', value: operator() }],
    act: async ({ token, name }) => {
      operator(name.trim());
      setToken(token.trim());
      try {
        app.info = (await get('info')).value;
      } catch (problem) {
        setToken(null);
        throw problem;
      }
      return app.info;
    },
  });
  if (done) app.watchAgain();
  return done !== null;
}

// Asks, then acts: `where` and `options` go to the JSON interface. Resolves with the answer or null.
export async function action({ title, body, fields, button, danger, where, options, done, then, told }) {
  if (!app.info?.actions) {
    say('This dashboard is read-only: it is started with --allow-actions and a token to act.', true);
    return null;
  }
  if (!(hasToken() && app.info.authorized) && !await signIn('Acting needs the token of this dashboard.'))
    return null;
  const answer = await ask({
    title, body, fields, button, danger,
    act: async (values) => post(typeof where === 'function' ? where(values) : where, await options?.(values) ?? {}),
  });
  if (answer) say(told?.(answer) ?? answer.remark ?? done ?? 'Done.');
  if (answer) app.watchAgain();
  then?.(answer);
  return answer;
}

export function act(label, settings) {
  const able = app.info?.actions;
  return h('button', { class: settings.danger ? 'danger' : null, 'aria-disabled': able ? null : 'true',
    title: able ? null : 'read-only', onclick: () => action(settings) }, label);
}
