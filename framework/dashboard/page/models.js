// Read models: where their projections stand, how far behind, and how a rebuild goes on.
import { h, text } from './dom.js';
import { count } from './format.js';
import { path } from './api.js';
import { act, app, at, empty, heading, known, panel, payload, since, state, table } from './parts.js';

const NAME = (projection) => projection.split('/').map(encodeURIComponent).join('/');
const show = (name) => `projection/show/${NAME(name)}`;
const behind = (row) => (typeof row.behind === 'number' ? `${count(row.behind)}${row.more ? '+' : ''}` : '~');

// ---- A rebuild's way --------------------------------------------------------------------------

const going = (rebuild) => rebuild !== null && rebuild.outcome === null;
const nameOf = (rebuild) => (rebuild.task === 'verify' ? 'Comparison' : 'Rebuild');

function stateOf(rebuild) {
  if (!going(rebuild)) return state(rebuild.outcome);
  if (rebuild.event) return state('stopped');
  return rebuild.paused ? state('paused') : state('running');
}

function progress(rebuild) {
  if (!rebuild) return null;
  const facts = [['Started', at(rebuild.startedAt)], rebuild.endedAt ? ['Ended', at(rebuild.endedAt)] : null,
    going(rebuild) ? ['Phase', text(rebuild.phase ?? '–')] : null,
    ['Events folded', [count(rebuild.folded), rebuild.total === null ? null : ` of ${count(rebuild.total)}`]],
    ['Keys moved', count(rebuild.moved)], rebuild.differing > 0 ? ['Differing', count(rebuild.differing)] : null].filter(Boolean);
  return h('div', { class: 'rebuild' },
    h('p', null, h('b', null, `${nameOf(rebuild)} `), stateOf(rebuild), ` ${rebuild.percent} %`),
    h('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${rebuild.percent} percent` },
      h('rect', { class: 'track', width: 100, height: 10 }), h('rect', { class: 'spent', width: rebuild.percent, height: 10 })),
    rebuild.why ? h('p', { class: 'bad' }, text(rebuild.why)) : null,
    rebuild.event ? h('p', { class: 'bad' }, text(rebuild.event.reason ?? 'an event stops it')) : null,
    h('dl', { class: 'facts' }, facts.map(([label, fact]) => h('div', null, h('dt', null, label), h('dd', null, fact)))));
}

const columns = [
  { head: 'projection', cell: (row) => h('a', { href: `#/models/${encodeURIComponent(row.projection)}` }, text(row.projection)) },
  { head: 'state', cell: (row) => state(row.state) },
  { head: 'worker', cell: (row) => text(row.worker ?? '–') },
  { head: 'behind', class: 'right', cell: (row) => h('span', { class: row.behind > 0 ? 'number' : 'number none' }, behind(row)) },
  { head: 'oldest event', class: 'right', cell: (row) => since(row.oldest) },
  { head: 'rebuild', cell: (row) => (row.rebuild && going(row.rebuild) ? [stateOf(row.rebuild), ` ${row.rebuild.percent} %`] : null) },
  { head: 'reason', class: 'grow', cell: (row) => (row.reason ? h('span', { class: 'bad' }, text(row.reason)) : null) },
];

export const models = {
  title: () => 'Read models',
  topics: () => ['projection/list'],
  render() {
    const found = known('projection/list');
    return [heading('Read models'), found.instead ?? (found.value.length === 0
      ? empty('No projection is known; a worker with projections has to have run once.')
      : table('Projections', columns, found.value, { key: (row) => row.projection,
        href: (row) => `#/models/${encodeURIComponent(row.projection)}`, mark: (row) => ['stopped', 'parked'].includes(row.state) }))];
  },
};

// ---- One ------------------------------------------------------------------------------------------

const sourceColumns = [
  { head: 'service', cell: (row) => text(row.service) },
  { head: 'position', cell: (row) => text(row.position ?? 'none yet') },
  { head: 'behind', class: 'right', cell: (row) => h('span', { class: row.behind > 0 ? 'number' : 'number none' }, behind(row)) },
  { head: 'oldest event', class: 'right', cell: (row) => since(row.oldest) },
];

function buttons(value) {
  const name = value.projection, rebuild = value.rebuild;
  const stopped = ['stopped', 'parked'].includes(value.state) || (rebuild !== null && going(rebuild) && rebuild.event !== null);
  const entry = value.event?.entry ?? null;
  return h('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' },
    stopped ? [
      act('Retry', { title: `Retry ${name}?`, button: 'Try it again', where: `projection/retry/${NAME(name)}`, done: 'It is tried again.',
        body: [h('p', null, 'The event that stops it is tried at once. Mend the cause first.')] }),
      act('Skip the event', { title: `Skip the event that stops ${name}?`, button: 'Skip it', danger: true, where: `projection/skip/${NAME(name)}`,
        body: [h('p', null, 'The event goes to the view’s dead letters, and the projection goes on behind it.')],
        options: () => (entry ? { entry } : {}), done: 'The event was skipped.' })] : null,
    rebuild && going(rebuild) ? act('Abandon the rebuild', { title: `Abandon the rebuild of ${name}?`, button: 'Abandon it', danger: true,
      where: `projection/abandon/${NAME(name)}`, body: [h('p', null, 'What was rebuilt is cleared away. The live model stays as it is.')],
      done: 'The rebuild is abandoned.' })
      : act('Rebuild', { title: `Rebuild ${name}?`, button: 'Rebuild it', where: `projection/rebuild/${NAME(name)}`,
        body: [h('p', null, 'The model is built anew from the first event beside the live one, and takes its place when it has drawn level. While that lasts it takes the memory twice.')],
        done: 'The rebuild has begun.' }));
}

export const model = {
  title: ({ name }) => `Projection ${name}`,
  topics: ({ name }) => [show(name)],
  render({ name }) {
    const found = known(show(name)), value = found.value;
    const back = h('a', { class: 'back', href: '#/models' }, '‹ Read models');
    if (found.instead) return [back, heading(['Projection ', text(name)]), found.instead];
    const facts = [['Worker', text(value.worker ?? '–')], ['Behind', behind(value)], ['Oldest event', since(value.oldest)],
      value.since ? ['Since', at(value.since)] : null].filter(Boolean);
    return [back, heading(['Projection ', text(name)], state(value.state)),
      value.reason ? h('p', { class: 'reason bad' }, h('b', null, 'Reason '), text(value.reason)) : null, buttons(value),
      h('dl', { class: 'facts' }, facts.map(([label, fact]) => h('div', null, h('dt', null, label), h('dd', null, fact)))),
      progress(value.rebuild),
      value.event ? panel('The event that stops it', payload(`${name} event`, 'event', value.event)) : null,
      panel('Where it stands', table('Sources', sourceColumns, value.sources, { key: (row) => row.stream }))];
  },
};
