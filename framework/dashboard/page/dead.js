// Dead letters: their reasons counted, one in full, put back as it was or mended, or dropped.
import { h, text } from './dom.js';
import { count, pretty } from './format.js';
import { path, query } from './api.js';
import { act, app, at, empty, heading, known, panel, payload, since, table } from './parts.js';

const LIMIT = 50;

export const dead = {
  title: () => 'Dead letters',
  topics: () => [],
  render() {
    const top = known('top');
    if (top.instead) return [heading('Dead letters'), top.instead];
    const all = top.value.services;
    const columns = [
      { head: 'service', cell: (row) => h('a', { href: `#/dead/${row.service}` }, text(row.service)) },
      { head: 'dead letters', class: 'right', cell: (row) => h('span', { class: row.dead > 0 ? 'number bad' : 'number none' }, count(row.dead)) },
    ];
    return [heading('Dead letters'), all.some((one) => one.dead > 0) ? null : empty('✓ There are none.'),
      all.length > 0 ? table('Dead letters by service', columns, all,
        { key: (row) => row.service, href: (row) => `#/dead/${row.service}`, mark: (row) => row.dead > 0 }) : null];
  },
};

// ---- Of one service -----------------------------------------------------------------------------

const listOf = ({ service, reason, type }) => `${path('dead', service, 'list')}${query({ reason, type, limit: LIMIT, 'no-data': true })}`;
const countOf = ({ service }) => path('dead', service, 'count');
const href = (service, options) => `#/dead/${encodeURIComponent(service)}${query(options)}`;

const replayed = (answer) => {
  const all = [answer.value].flat().filter(Boolean), done = all.filter((one) => one.replayed || one.dropped).length;
  return all.length === 1 ? null : `${count(done)} of ${count(all.length)} letters.`;
};

// What came after they were counted, or has this reason as a part of its own, is another matter.
const those = (row) => ({ reason: row.reason, exactly: true, 'up-to': row.newestLetter });

function both(service, row, complete) {
  const all = row.count === 1 ? 'the one letter' : `all ${count(row.count)} letters`;
  const settings = (verb) => ({ where: path('dead', service, verb), options: () => those(row), told: replayed });
  const about = h('p', null, 'With the reason ', h('b', null, text(row.reason)), '.',
    complete ? null : ' Older ones, which were not counted, are among them.');
  return h('div', { class: 'pair' },
    act('Replay all', { ...settings('replay'), title: `Replay ${all}?`, button: 'Put them back', done: 'They were put back.',
      body: [about, h('p', null, 'Mend the cause first. Those that cannot come back, such as steps of sagas, stay.')] }),
    act('Drop all', { ...settings('drop'), title: `Drop ${all}?`, button: 'Drop them for good', danger: true, done: 'They were dropped.',
      body: [about, h('p', null, 'The letters are deleted. Nothing brings them back.')] }));
}

function reasons(params, counted) {
  const columns = [
    { head: 'reason', class: 'grow', cell: (row) => h('a', { href: href(params.service, { reason: row.reason }) }, text(row.reason)) },
    { head: 'letters', class: 'right', cell: (row) => h('span', { class: 'number' }, count(row.count)) },
    { head: 'types', cell: (row) => text(Array.isArray(row.types) ? row.types.join(', ') : Object.keys(row.types ?? {}).join(', ')) },
    { head: 'newest', class: 'right', cell: (row) => since(row.newest) },
    { head: 'oldest', class: 'right', cell: (row) => since(row.oldest) },
    { head: '', class: 'wide', cell: (row) => both(params.service, row, counted.complete) },
  ];
  return panel('Reasons', table('Reasons', columns, counted.reasons, { key: (row) => row.reason,
    href: (row) => href(params.service, { reason: row.reason }) }),
  counted.complete ? null : h('p', { class: 'note' }, `Counted over the newest ${count(counted.lookedAt)}.`));
}

const letterHref = (service, letter) => `#/dead/${encodeURIComponent(service)}/${encodeURIComponent(letter)}`;

const letterColumns = (service) => [
  { head: 'letter', cell: (row) => h('a', { href: letterHref(service, row.letter) }, text(row.letter)) },
  { head: 'type', cell: (row) => text(row.fields.type ?? '–') },
  { head: 'age', class: 'right', cell: (row) => since(row.at) },
  { head: 'deliveries', class: 'right', cell: (row) => count(row.fields.deliveries) },
  { head: 'reason', class: 'grow', cell: (row) => text(row.fields.reason ?? '–') },
];

export const deadOf = {
  title: ({ service }) => `Dead letters of ${service}`,
  topics: (params) => [countOf(params), listOf(params)],
  render(params) {
    const { service, reason } = params, counted = known(countOf(params)), list = known(listOf(params));
    const letters = list.value;
    return [h('a', { class: 'back', href: '#/dead' }, '‹ Dead letters'), heading(['Dead letters of ', text(service)]),
      counted.value?.reasons?.length > 0 ? reasons(params, counted.value) : null,
      panel('Letters', reason ? h('p', { class: 'note' }, 'Only: ', text(reason), ' ', h('a', { href: href(service, {}) }, 'Show all')) : null,
        list.instead ?? (letters.length === 0 ? empty('✓ There are none.')
          : [table('Letters', letterColumns(service), letters, { key: (row) => row.letter, href: (row) => letterHref(service, row.letter) }),
            letters.length === LIMIT ? h('p', { class: 'note' }, `The newest ${LIMIT} are shown.`) : null]))];
  },
};

// ---- One ------------------------------------------------------------------------------------------

const leave = (service) => (answer) => { if (answer) location.hash = href(service, {}); };

function checkObject(value) {
  let parsed = null;
  try { parsed = JSON.parse(value); } catch { /* told below */ }
  if (!parsed || typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error('This is no JSON object.');
  return value;
}

function buttons(service, one) {
  const { letter, fields } = one, data = typeof fields.data === 'object' ? pretty(fields.data ?? {}) : String(fields.data);
  return h('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' },
    act('Replay', { title: `Replay ${letter}?`, button: 'Put it back', where: path('dead', service, 'replay', letter),
      body: [h('p', null, 'The message goes back to where it came from, and the letter is gone. It is put back once.')],
      done: 'The message was put back.', then: leave(service) }),
    act('Edit and replay', { title: `Edit and replay ${letter}`, button: 'Put it back so', where: path('dead', service, 'replay', letter),
      fields: [{ name: 'data', label: 'Data', kind: 'json', value: data }], options: ({ data: edited }) => ({ data: checkObject(edited) }),
      done: 'The message was put back with the new data.', then: leave(service) }),
    act('Drop', { title: `Drop ${letter}?`, button: 'Drop it for good', danger: true, where: path('dead', service, 'drop', letter),
      body: [h('p', null, 'The letter is deleted. Nothing brings it back.')], done: 'The letter was dropped.', then: leave(service) }));
}

const FIRST = ['reason', 'type', 'deliveries', 'stream', 'entry', 'id', 'saga', 'step', 'action', 'source', 'subject'];

function fieldsOf(service, one) {
  const names = Object.keys(one.fields).filter((name) => name !== 'data');
  const order = [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
  return h('dl', { class: 'fields' }, h('div', null, h('dt', null, 'buried'), h('dd', null, at(one.at), ' (', since(one.at), ' ago)')),
    order.map((name) => h('div', { key: name }, h('dt', null, text(name)), h('dd', { class: name === 'reason' ? 'bad' : null },
      name === 'saga' ? h('a', { href: `#/saga/${encodeURIComponent(one.fields.saga)}` }, text(one.fields.saga))
        : text(typeof one.fields[name] === 'object' ? pretty(one.fields[name]) : one.fields[name])))));
}

export const letter = {
  title: ({ id }) => `Dead letter ${id}`,
  topics: ({ service, id }) => [path('dead', service, 'show', id)],
  render({ service, id }) {
    const found = known(path('dead', service, 'show', id)), one = found.value?.[0] ?? null;
    const back = h('a', { class: 'back', href: href(service, {}) }, '‹ Dead letters of ', text(service));
    if (!one) return [back, heading(['Dead letter ', text(id)]), found.instead ?? empty('It is not there any more.')];
    return [back, heading(['Dead letter ', text(id)]), buttons(service, one), fieldsOf(service, one),
      panel('Data', payload(`${service} ${id}`, 'data', one.fields.data))];
  },
};
