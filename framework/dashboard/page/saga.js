// One saga: how it stands, why it waits, its steps as a picture and as a list, and what can be done.
import { h, text } from './dom.js';
import { span, count } from './format.js';
import { path } from './api.js';
import { act, app, at, heading, known, panel, payload, since, state, table } from './parts.js';
import { picture } from './picture.js';

// ---- What can be done -----------------------------------------------------------------------

const THE_ONE = 'the one that is stuck';

function stuckField(saga) {
  const names = saga.steps.filter((step) => ['failed', 'timed-out', 'running', 'compensating'].includes(step.state))
    .map((step) => step.name);
  return names.length > 1 ? [{ name: 'step', label: 'Step', kind: 'choice', choices: [THE_ONE, ...names] }] : [];
}

const stepOf = ({ step }) => (step && step !== THE_ONE ? { step } : {});

const signals = (saga) => saga.steps.filter((step) => step.signal && ['pending', 'running', null].includes(step.state))
  .map((step) => step.signal);

function checkObject(value) {
  try {
    if (value.trim().startsWith('{') && JSON.parse(value)) return value;
  } catch { /* told below */ }
  throw new Error('This is no JSON object.');
}

function buttons(saga) {
  const id = saga.saga, ended = ['completed', 'compensated'].includes(saga.state), waits = signals(saga);
  const undone = saga.steps.some((step) => ['compensating', 'compensated'].includes(step.state));
  if (ended) return null;
  return h('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' },
    saga.state === 'suspended' ? [
      act('Resume', { title: `Resume ${id}?`, button: 'Try it again', where: path('resume', id), done: `Saga ${id} goes on.`,
        body: [h('p', null, 'The step that is stuck is tried again. Mend its cause first.')], fields: stuckField(saga),
        options: (values) => ({ retry: true, ...stepOf(values) }) }),
      act('Skip the step', { title: `Skip the stuck step of ${id}?`, button: 'Skip it', danger: true, where: path('resume', id),
        done: `Saga ${id} goes on without the step.`, fields: stuckField(saga),
        body: [h('p', null, 'The saga goes on as if the step were done. See to it by hand first: a command of it that comes later is refused.')],
        options: (values) => ({ skip: true, ...stepOf(values) }) })] : null,
    waits.length > 0 ? act('Signal', { title: `Signal ${id}`, button: 'Send it', where: (values) => path('signal', id, values.signal),
      done: 'The signal was sent.',
      fields: [{ name: 'signal', label: 'Signal', kind: 'choice', choices: waits },
        { name: 'data', label: 'Data: a JSON object, which becomes the step’s result', kind: 'json', value: '{}' }],
      options: ({ data }) => ({ data: checkObject(data) }) }) : null,
    saga.state !== 'compensating' && !undone ? act('Cancel', { title: `Cancel ${id}?`, button: 'Have it undone', danger: true,
      where: path('cancel', id), done: `Saga ${id} is being undone.`,
      body: [h('p', null, 'What it has done is compensated, in reverse order. It cannot be cancelled any more once its pivot has begun.')],
      fields: [{ name: 'reason', label: 'Why (becomes part of its reason)' }],
      options: ({ reason }) => (reason.trim() ? { reason: reason.trim() } : {}) }) : null);
}

// ---- What is shown ----------------------------------------------------------------------------

function facts(saga) {
  const long = (saga.endedAt ?? app.now()) - saga.startedAt;
  const rows = [['Definition', [text(saga.definition ?? '–'), ` version ${saga.version ?? '–'}`]],
    ['Started', [at(saga.startedAt), ' (', since(saga.startedAt), ' ago)']],
    saga.endedAt ? ['Ended', at(saga.endedAt)] : ['Deadline', at(saga.deadline)],
    [saga.endedAt ? 'Took' : 'Has taken', saga.endedAt ? span(long) : since(saga.startedAt)],
    ['Revision', count(saga.revision)]];
  return h('dl', { class: 'facts' }, rows.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

// Where a step's time lies within the saga's.
function bar(saga, step) {
  const start = saga.startedAt, end = Math.max(saga.endedAt ?? app.now(), saga.updatedAt ?? 0, start + 1);
  if (!step.sentAt) return null;
  const x = (ms) => Math.max(0, Math.min(100, (ms - start) / (end - start) * 100));
  const from = x(step.sentAt), wide = Math.max(1.5, x(step.endedAt ?? end) - from);
  return h('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    h('rect', { class: 'track', width: 100, height: 10 }),
    h('rect', { class: 'spent', 'data-state': step.state, x: Math.min(from, 98.5), width: wide, height: 10 }));
}

const plus = (saga, ms) => (typeof ms === 'number' && ms > 0
  ? h('span', { class: 'number', title: new Date(ms).toISOString() }, `+${span(ms - saga.startedAt)}`) : h('span', { class: 'none' }, '–'));

function does(step) {
  if (!step.signal && !step.service) return null;
  return h('small', null, text(step.signal ? `waits for the signal ${step.signal}`
    : `${step.service} · ${step.command}${step.compensation ? ` / ${step.compensation}` : ''}`),
  step.kind && step.kind !== 'compensatable' ? ` · ${step.kind}` : null);
}

function stepColumns(saga) {
  return [
    { head: 'step', cell: (step) => [h('span', { id: `step-${step.name}`, tabindex: '-1', class: 'step-name' }, text(step.name)), does(step)] },
    { head: 'state', cell: (step) => state(step.state ?? 'pending') },
    { head: 'attempts', class: 'right', cell: (step) => [count(step.attempts ?? 0),
      step.compensationAttempts ? h('small', { title: 'attempts of its compensation' }, ` ↺ ${count(step.compensationAttempts)}`) : null] },
    { head: 'sent', class: 'right', cell: (step) => plus(saga, step.sentAt) },
    { head: 'ended', class: 'right', cell: (step) => plus(saga, step.endedAt) },
    { head: 'time', class: 'time', cell: (step) => bar(saga, step) },
    { head: 'error or result', class: 'grow', cell: (step) => [step.error ? h('p', { class: 'bad' }, text(step.error)) : null,
      step.result !== null ? payload(`${saga.saga} ${step.name}`, 'result', step.result) : null] },
  ];
}

function choose(name) {
  const place = document.getElementById(`step-${name}`);
  place?.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  place?.focus({ preventScroll: true });
}

export const saga = {
  title: ({ id }) => `Saga ${id}`,
  topics: ({ id }) => [path('saga', id)],
  render({ id }) {
    const found = known(path('saga', id));
    const back = h('a', { class: 'back', href: '#/sagas' }, '‹ Sagas');
    if (found.instead) return [back, heading(['Saga ', text(id)]), found.instead];
    const value = found.value;
    return [back, heading(['Saga ', text(id)], state(value.state)),
      value.waiting ? h('p', { class: 'waits' }, h('b', null, 'Waits '), text(value.waiting)) : null,
      value.reason ? h('p', { class: 'reason' }, h('b', null, 'Reason '), text(value.reason)) : null,
      buttons(value), facts(value),
      panel('Steps', picture(value, matchMedia('(max-width: 700px)').matches, choose),
        table('Steps', stepColumns(value), value.steps, { key: (step) => step.name })),
      panel('Data', payload(`${id} data`, 'data', value.data))];
  },
};
