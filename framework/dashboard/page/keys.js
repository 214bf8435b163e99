// The keyboard: rows by j and k, screens by g and a letter, / to search, ? for help.
import { h } from './dom.js';

const KEYS = [['j, k', 'next, previous row'], ['Enter', 'open the row'], ['/', 'search'], ['u', 'up: back to the list'],
  ['n, p', 'older page, newest page'], ['t', 'light, dark, as the system has it'], ['?', 'this help'], ['Esc', 'leave what is open']];

let row = null, prefix = 0;

const rows = () => [...document.querySelectorAll('#main [data-href]')];

function select(next) {
  row?.classList.remove('chosen');
  row = next;
  row.classList.add('chosen');
  (row.querySelector('a') ?? row).focus({ preventScroll: true });
  row.scrollIntoView({ block: 'nearest' });
}

function move(by) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.findIndex((one) => one === row || one.contains(document.activeElement));
  select(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))]);
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.hash = link.getAttribute('href');
}

export function showHelp(screens) {
  const dialog = h('dialog', { class: 'help', 'aria-label': 'Keys' }, h('h2', null, 'Keys'),
    h('dl', null, [...screens.map((one) => [`g ${one.key}`, one.name]), ...KEYS].map(([key, what]) =>
      h('div', null, h('dt', null, h('kbd', null, key)), h('dd', null, what)))),
    h('form', { method: 'dialog' }, h('div', { class: 'buttons' }, h('button', { class: 'primary' }, 'Close'))));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function listen(screens, { theme }) {
  document.addEventListener('keydown', (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.nodeName);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (typing) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const wanted = Date.now() - prefix < 1500 && screens.find((one) => one.key === event.key);
    prefix = 0;
    if (wanted) location.hash = wanted.href;
    else if (event.key === 'g') prefix = Date.now();
    else if (event.key === 'j') move(1);
    else if (event.key === 'k') move(-1);
    else if (event.key === 'Enter' && row?.isConnected && document.activeElement === document.body) location.hash = row.dataset.href;
    else if (event.key === '/') document.querySelector('#main .find')?.focus();
    else if (event.key === 'u') follow('#main a.back');
    else if (event.key === 'n') follow('#main a[rel=next]');
    else if (event.key === 'p') follow('#main a[rel=first]');
    else if (event.key === 't') theme();
    else if (event.key === '?') showHelp(screens);
    else return;
    event.preventDefault();
  });
}

export function forgetRow() {
  row = null;
}
