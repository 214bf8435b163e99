// The page as a whole: which screen is shown, what it watches, and how fresh it is.
import { h, show, text } from './dom.js';
import { clock, parse } from './format.js';
import { get, hasToken, setToken } from './api.js';
import { Live } from './live.js';
import { app, say, signIn } from './parts.js';
import { listen, showHelp, forgetRow } from './keys.js';
import { overview } from './overview.js';
const SCREENS = [
  { key: 'o', name: 'Overview', href: '#/' },
  { key: 's', name: 'Sagas', href: '#/sagas', badge: (top) => top.sagas.suspended },
  { key: 'w', name: 'Services', href: '#/services', badge: (top) => top.services.filter((one) => one.state === 'unattended').length },
  { key: 'd', name: 'Dead letters', href: '#/dead', badge: (top) => top.totals.dead },
  { key: 'r', name: 'Read models', href: '#/models', badge: (top) => top.projections.filter((one) => ['stopped', 'parked'].includes(one.state)).length },
  { key: 'c', name: 'Scheduled', href: '#/scheduled' },
  { key: 'a', name: 'Actions', href: '#/actions' },
];

// Screens but the first come when they are wanted.
const later = (file, name) => async () => (await import(file))[name];
const ROUTES = [
  [/^\/$/, overview], [/^\/sagas$/, later('./sagas.js', 'sagas')], [/^\/saga\/([^/]+)$/, later('./saga.js', 'saga'), 'id'],
  [/^\/services$/, later('./services.js', 'services')], [/^\/services\/([^/]+)$/, later('./services.js', 'service'), 'name'],
  [/^\/dead$/, later('./dead.js', 'dead')], [/^\/dead\/([^/]+)$/, later('./dead.js', 'deadOf'), 'service'],
  [/^\/dead\/([^/]+)\/([^/]+)$/, later('./dead.js', 'letter'), 'service', 'id'],
  [/^\/models$/, later('./models.js', 'models')], [/^\/models\/([^/]+)$/, later('./models.js', 'model'), 'name'],
  [/^\/scheduled$/, later('./lists.js', 'scheduled')], [/^\/scheduled\/([^/]+)$/, later('./lists.js', 'scheduled'), 'name'],
  [/^\/actions$/, later('./lists.js', 'actions')], [/^\/doctor$/, later('./doctor.js', 'doctor')],
];

const lost = { title: () => 'Nothing here', topics: () => [], render: () => h('p', { class: 'empty' }, 'There is no such screen.') };
const missing = { title: () => 'Not loaded', topics: () => [],
  render: () => h('p', { class: 'empty bad' }, 'This screen could not be loaded. ', h('button', { onclick: () => location.reload() }, 'Load the page anew')) };

const place = (id) => document.getElementById(id);
let screen = overview, params = {}, turns = 0, shown = false, link = { kind: 'connecting' }, offset = null, lastAt = null, pending = 0;

// ---- Which screen -------------------------------------------------------------------------------

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

// The screen, or a promise of it; and its parameters.
function route() {
  const [where, search] = (location.hash.slice(1) || '/').split('?');
  for (const [pattern, found, ...names] of ROUTES) {
    const match = pattern.exec(where);
    if (!match) continue;
    const given = Object.fromEntries(new URLSearchParams(search ?? ''));
    names.forEach((name, i) => { given[name] = decode(match[i + 1]); });
    return [found, given];
  }
  return [lost, {}];
}

function topics() {
  return ['top', ...screen.topics(params)];
}

async function go() {
  const [found, given] = route(), turn = ++turns;
  let next = found;
  if (typeof found === 'function')
    try { next = await found(); } catch { next = missing; }
  if (turn !== turns) return; // another has been chosen meanwhile
  screen = next;
  params = given;
  forgetRow();
  for (const topic of app.data.keys()) if (!topics().includes(topic)) app.data.delete(topic);
  place('nav').classList.remove('open');
  place('menu').setAttribute('aria-expanded', 'false');
  screen.enter?.();
  draw();
  live.watch(topics()); // what is known already is shown before more is asked for
  if (turn > 1) window.scrollTo(0, 0);
  if (turn > 1) place('main').focus({ preventScroll: true });
}

// ---- How it stands --------------------------------------------------------------------------------

const LINK = {
  connecting: () => ['', 'Connecting …'],
  live: () => ['live', 'Live'],
  paused: () => ['', 'Paused'],
  trouble: ({ since }) => ['bad', since ? `No answer from the server since ${clock(since)}` : 'No answer from the server yet'],
  gone: ({ changed }) => ['bad', `The dashboard does not answer since ${clock(changed)}`],
  refused: ({ status }) => ['warn', status === 429 ? 'Too many wrong tokens' : 'A token is needed'],
};

function paintLink() {
  const [kind, words] = LINK[link.kind](link);
  place('link').className = `link ${kind}`;
  show(place('link'), h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'words' }, words));
  const stale = ['trouble', 'gone', 'refused'].includes(link.kind);
  document.body.classList.toggle('stale', stale && app.data.size > 0);
  place('banner').hidden = !stale;
  show(place('banner'), stale ? [text(`${words}.`, 'span'),
    lastAt && app.data.size > 0 ? ` What is shown here is from ${clock(lastAt)}.` : null,
    link.kind === 'refused' ? h('button', { onclick: () => signIn('This dashboard is shown to those who have its token.') }, 'Give it') : null] : null);
}

function paintAccess() {
  const button = place('access'), info = app.info;
  button.hidden = !info;
  if (!info) return;
  const acting = info.actions && info.authorized;
  button.textContent = acting ? 'Sign out' : info.actions ? 'Sign in' : 'Read-only';
  button.title = acting ? 'Actions are allowed in this tab' : info.actions ? 'Actions need the token' : 'Started without --allow-actions';
  button.disabled = !info.actions && !hasToken();
}

function paintNav() {
  const here = location.hash.slice(1).split('?')[0] || '/';
  show(place('nav'), SCREENS.map((one) => {
    const where = one.href.slice(1), badge = app.top ? one.badge?.(app.top) : 0;
    const current = where === '/' ? here === '/' : here === where || here.startsWith(`${where}/`) ||
      (where === '/sagas' && here.startsWith('/saga/'));
    return h('a', { href: one.href, 'aria-current': current ? 'page' : null, key: one.name }, one.name,
      badge > 0 ? h('span', { class: 'badge', 'aria-label': `${badge} need attention` }, badge > 999 ? '999+' : badge) : null);
  }));
}

function paintFoot() {
  const { info, top } = app;
  show(place('foot'), info ? [h('span', null, 'weir ', info.version), text(info.server, 'span'),
    info.namespace ? h('span', null, 'namespace ', text(info.namespace)) : null,
    top?.server?.version ? h('span', null, `server ${top.server.version}`) : null,
    h('span', null, 'server’s clock ', h('time', null, offset === null ? '–' : clock(app.now())))] : null);
}

// When all that belongs to the first screen was painted: behind the frame that shows it.
function noteShown() {
  if (shown || !topics().every((topic) => app.data.has(topic))) return;
  shown = true;
  requestAnimationFrame(() => setTimeout(() => performance.mark('weir-first-screen')));
}

function draw() {
  cancelAnimationFrame(pending);
  pending = 0;
  document.title = `${screen.title(params)} · weir`;
  show(place('main'), screen.render(params));
  noteShown();
  paintNav();
  paintLink();
  paintAccess();
  paintFoot();
}

// At most once a frame.
function paint() {
  pending ||= requestAnimationFrame(draw);
}

// ---- What comes ------------------------------------------------------------------------------------

function note(at) {
  if (!(at > 0)) return;
  lastAt = at;
  const measured = at - performance.now();
  // A message that took longer on its way must not set the clock back and forth.
  if (offset === null || Math.abs(measured - offset) > 1500 || measured > offset) offset = measured;
}

// What is too large to be watched is asked for, each time that it has changed.
async function fetchLarge(topic, at) {
  let event;
  try {
    event = { topic, at, result: (await get(topic)).value };
  } catch (problem) {
    event = { topic, at, status: problem.status, detail: problem.message };
  }
  if (!topics().includes(topic)) return; // nobody looks at it any more
  app.data.set(topic, event);
  paint();
}

function heard(event) {
  note(event.now ?? event.at);
  if (event.status === 413) {
    fetchLarge(event.topic, event.at);
  } else if (event.topic !== undefined) {
    app.data.set(event.topic, event);
    if (event.topic === 'top' && event.result) app.top = event.result;
  }
  paint();
}

async function learn() {
  try {
    app.info = (await get('info')).value;
    if (hasToken() && !app.info.authorized) setToken(null);
  } catch (problem) {
    if (problem.status === 401) setToken(null);
  }
  paint();
}

// What the page has brought along is shown until the stream tells more.
function bring() {
  const first = parse(place('first').textContent || 'null');
  if (!first) return;
  for (const topic of ['top', 'history']) heard({ topic, at: first.at, result: first[topic] });
  app.info = first.info;
  note(first.info.now);
  lastAt = first.at;
}

// ---- Colours ---------------------------------------------------------------------------------------

const THEMES = ['', 'light', 'dark'];

function theme() {
  const root = document.documentElement, next = THEMES[(THEMES.indexOf(root.dataset.theme ?? '') + 1) % 3];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  try { localStorage.setItem('weir-theme', next); } catch { /* until the page is loaded anew */ }
  paintTheme();
  say(`Colours: ${next || 'as the system has it'}.`);
}

function paintTheme() {
  const now = document.documentElement.dataset.theme ?? '';
  place('theme').textContent = { '': '◐', light: '○', dark: '●' }[now];
  place('theme').setAttribute('aria-label', `Colours: ${now || 'automatic'}`);
  place('theme').title = `Colours: ${now || 'automatic'}`;
}

// ---- Begin -----------------------------------------------------------------------------------------

app.now = () => (offset === null ? Date.now() : offset + performance.now());
app.render = paint;
const live = new Live(heard, (state) => {
  const back = state.kind === 'live' && link.kind !== 'live';
  link = state;
  if (back && !app.info) learn();
  paint();
});
app.watchAgain = () => {
  live.watch(topics(), true);
  paint();
};

place('theme').addEventListener('click', theme);
place('help').addEventListener('click', () => showHelp(SCREENS));
place('menu').addEventListener('click', () => {
  const open = place('nav').classList.toggle('open');
  place('menu').setAttribute('aria-expanded', String(open));
});
place('access').addEventListener('click', async () => {
  if (app.info?.authorized) {
    setToken(null);
    await learn();
    app.watchAgain();
    say('Signed out.');
  } else {
    await signIn();
    paint();
  }
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  place('main').focus();
});
place('main').addEventListener('click', (event) => {
  const row = event.target.closest('tr[data-href]');
  if (row && !event.target.closest('a, button, summary, pre') && !String(getSelection())) location.hash = row.dataset.href;
});
window.addEventListener('hashchange', go);
listen(SCREENS, { theme });
setInterval(paint, 1000); // ages go on
paintTheme();
bring();
go();
if (!app.info || hasToken()) learn();
