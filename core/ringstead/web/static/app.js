// What the pages gain from scripting. Every action below is a plain link or form that works without this file.
// Texts come from the page (data attributes), so that they are translated where everything else is.

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const page = document.documentElement;

// --- Settings kept by this browser only ------------------------------------------------------------
const remembered = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* private mode: forget it */ } },
};

// --- Toasts: for things already done. 6 s, and the clock stops under the pointer or the focus --------
const TOAST_MS = 6000;

export function toast(text, { undo } = {}) {
  const host = find('.toasts');
  if (!host) return;
  const box = document.createElement('div');
  box.className = 'toast';
  box.append(Object.assign(document.createElement('span'), { textContent: text }));
  if (undo) box.append(undo);
  box.append(closeButton(host.dataset.close));
  host.append(box);
  startClock(box);
}

// Features say things in this way: document.dispatchEvent(new CustomEvent('say', { detail: text })).
document.addEventListener('say', (event) => toast(event.detail));

function closeButton(name) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'close';
  button.setAttribute('aria-label', name || '');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M18 6 6 18M6 6l12 12');
  svg.append(path);
  button.append(svg);
  button.addEventListener('click', () => button.closest('.toast').remove());
  return button;
}

function startClock(box) {
  let left = TOAST_MS;
  let since = 0;
  let timer = 0;
  const run = () => { clearTimeout(timer); since = Date.now(); timer = setTimeout(() => box.remove(), left); };
  const hold = () => { clearTimeout(timer); left = Math.max(1000, left - (Date.now() - since)); };
  const resume = () => { if (!box.matches(':hover, :focus-within')) run(); };
  box.addEventListener('pointerenter', hold);
  box.addEventListener('pointerleave', resume);
  box.addEventListener('focusin', hold);
  box.addEventListener('focusout', () => setTimeout(resume));
  run();
}

// A notice that came with the page is put in again, because screen readers announce only what changes.
function adoptNotices() {
  findAll('[data-notice]').forEach((notice) => {
    const undo = find('form', notice);
    if (undo) find('button', undo).className = 'act';
    const text = find('.grow', notice).textContent.trim();
    notice.remove();
    setTimeout(() => toast(text, { undo }), 120);
  });
  findAll('.page.notices:empty').forEach((place) => place.remove());
}

// The same for what a page says of itself without showing it: its live region is filled anew.
function announceAgain() {
  findAll('[data-announce]').forEach((region) => {
    const text = region.textContent;
    region.textContent = '';
    setTimeout(() => { region.textContent = text; }, 120);
  });
}

// --- Dialogs: native, opened by a button that is a link or submit without scripting ------------------
function openDialog(event) {
  const opener = event.target.closest('[data-dialog]');
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (!dialog?.showModal) return;
  event.preventDefault();
  dialog.showModal();
}

// --- Menus made of details: close on Escape, on a click elsewhere, one at a time ----------------------
function closeMenus(except) {
  findAll('details.person[open], details[data-menu][open]').forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
}

// --- Copy buttons -----------------------------------------------------------------------------------
async function copyText(event) {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast(button.dataset.copied || page.dataset.copied);
  } catch {
    const code = button.parentElement.querySelector('code');
    if (code) getSelection().selectAllChildren(code);
  }
}

// --- Theme: shown at once, then remembered by the server through the same form -----------------------
function chooseTheme(event) {
  const button = event.target.closest('button[name="theme"]');
  if (!button) return;
  event.preventDefault();
  const form = button.form;
  if (button.value === 'system') delete page.dataset.theme;
  else page.dataset.theme = button.value;
  findAll('button[name="theme"]').forEach((other) => {
    other.setAttribute('aria-pressed', String(other.value === button.value));
  });
  const body = new URLSearchParams(new FormData(form));
  body.set('theme', button.value);
  fetch(form.action, { method: 'POST', body, headers: { Accept: 'application/json' } }).catch(() => {});
}

// --- Single-letter keys; they can be switched off (WCAG 2.1.4) ---------------------------------------
const typing = (target) => target.closest('input, select, textarea, [contenteditable="true"], dialog[open]');

function moveInList(step) {
  const rows = findAll('[data-list] > li, [data-list] > .item, [data-list] > tr')
    .map((row) => find('a[href], button:not([disabled])', row)).filter(Boolean);
  if (!rows.length) return false;
  const here = rows.findIndex((row) => row.closest('li, .item, tr').contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + step));
  rows[next].focus();
  rows[next].scrollIntoView({ block: 'nearest' });
  return true;
}

function focusSearch() {
  const box = findAll('input[data-search]').find((input) => input.offsetParent !== null);
  if (box) { box.focus(); box.select(); return true; }
  const link = find('a[data-search-link]');
  if (link) { link.click(); return true; }
  return false;
}

const keys = {
  '/': focusSearch,
  '?': () => { find('#keys-help')?.showModal(); return true; },
  j: () => moveInList(1),
  k: () => moveInList(-1),
};

function onKey(event) {
  if (event.key === 'Escape') {
    const open = find('details.person[open], details[data-menu][open]');
    if (open) { open.open = false; find('summary', open).focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!Object.hasOwn(keys, event.key) || typing(event.target) || remembered.get('keys') === 'off') return;
  if (keys[event.key]()) event.preventDefault();
}

// --- Moving an item of an ordered list with the arrow keys; Move up and Move down are ordinary forms ---
async function moveItem(event) {
  const grip = event.target.closest('[data-move]');
  if (!grip || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
  event.preventDefault();
  const direction = event.key === 'ArrowUp' ? 'up' : 'down';
  const button = find(`button[value="${direction}"]`, grip.closest('li'));
  if (button && !button.disabled) button.click();
}

// --- Forms: no double submit, and the focus goes to the list of mistakes ------------------------------
function markBusy(event) {
  const button = event.submitter;
  if (event.defaultPrevented || !button?.dataset.busy || event.target.target === '_blank') return;
  if (button.getAttribute('aria-disabled') === 'true') { event.preventDefault(); return; }
  setTimeout(() => {
    button.setAttribute('aria-disabled', 'true');
    button.dataset.rest = button.textContent;
    button.textContent = button.dataset.busy;
  });
}

function restBusy() {
  findAll('button[data-rest]').forEach((button) => {
    button.removeAttribute('aria-disabled');
    button.textContent = button.dataset.rest;
    delete button.dataset.rest;
  });
}

function showSecret(event) {
  const button = event.target.closest('[data-reveal]');
  const input = button && document.getElementById(button.dataset.reveal);
  if (!input) return;
  input.type = input.type === 'password' ? 'text' : 'password';
  button.setAttribute('aria-pressed', String(input.type === 'text'));
}

// --- A telephone number: at a desk, where a switch can do it, the desk phone calls it ----------------
function placeCall(event) {
  const link = event.target.closest('a[href^="tel:"]');
  const action = find('meta[name="call"]')?.content;
  if (!link || !action || !matchMedia('(pointer: fine)').matches) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const form = Object.assign(document.createElement('form'), { method: 'post', action, hidden: true });
  const values = {
    csrf_token: find('meta[name="csrf-token"]').content,
    number: decodeURIComponent(link.getAttribute('href').slice(4)),
    back: location.pathname + location.search,
  };
  for (const [name, value] of Object.entries(values)) {
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
  }
  document.body.append(form);
  form.requestSubmit();
}

// --- What is new behind the entries of the navigation --------------------------------------------------
// Asked again once a minute while the page is looked at; not for ever, so that an abandoned session may end.
const COUNTS_MS = 60_000;
const ATTENTION_MS = 10 * COUNTS_MS;
let lastTouched = Date.now();

function showCounts(counts) {
  const words = find('[data-counts]')?.dataset.new || '';
  findAll('[data-entry]').forEach((link) => {
    find('.count', link)?.remove();
    const count = counts[link.dataset.entry];
    if (!count) return;
    const badge = Object.assign(document.createElement('span'), { className: 'count' });
    badge.append(count > 99 ? '99+' : String(count));
    badge.append(Object.assign(document.createElement('span'), { className: 'vh', textContent: ` ${words}` }));
    link.append(badge);
  });
}

async function refreshCounts() {
  const address = find('[data-counts]')?.dataset.counts;
  if (!address || document.visibilityState !== 'visible' || Date.now() - lastTouched > ATTENTION_MS) return;
  const answer = await fetch(address, { headers: { Accept: 'application/json' } }).catch(() => null);
  if (answer?.ok && !answer.redirected) showCounts(await answer.json());
}

function beginCounting() {
  const touched = () => { lastTouched = Date.now(); };
  ['pointermove', 'keydown', 'touchstart', 'scroll'].forEach((name) => {
    document.addEventListener(name, touched, { passive: true });
  });
  document.addEventListener('visibilitychange', () => { touched(); refreshCounts(); });
  document.addEventListener('counts', refreshCounts);
  setInterval(refreshCounts, COUNTS_MS);
  refreshCounts();
}

// --- A support session: how long it lasts, and forms that go on by themselves -------------------------
function countDown() {
  const place = find('[data-ends]');
  if (!place) return;
  const left = Math.max(0, Math.round((new Date(place.dataset.ends) - Date.now()) / 1000));
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  place.textContent = place.dataset.left.replace('%', time);
  if (left === 0) location.reload();
  else setTimeout(countDown, 1000);
}

function goOn() {
  find('form[data-send]')?.requestSubmit();
  const link = find('a[data-follow]');
  if (link) location.replace(link.href);
}

// --- Start -------------------------------------------------------------------------------------------
function start(root) {
  findAll('[data-needs-script]', root).forEach((element) => { element.hidden = false; });
  findAll('.errsum', root).slice(0, 1).forEach((summary) => summary.focus());
  findAll('select[data-submit]', root).forEach((select) => {
    select.addEventListener('change', () => select.form.requestSubmit());
  });
}

document.addEventListener('click', (event) => {
  closeMenus(event.target.closest('details'));
  openDialog(event);
  copyText(event);
  chooseTheme(event);
  showSecret(event);
  placeCall(event);
});
document.addEventListener('keydown', moveItem);
document.addEventListener('keydown', onKey);
document.addEventListener('submit', markBusy);
window.addEventListener('pageshow', restBusy);
document.addEventListener('htmx:config:request', (event) => {
  const token = find('meta[name="csrf-token"]')?.content;
  if (token) event.detail.ctx.request.headers['X-CSRF-Token'] = token;
});
document.addEventListener('htmx:after:swap', (event) => {
  const place = event.detail?.ctx?.target;
  start(place?.isConnected ? place : document);
});

const letters = find('#single-keys');
if (letters) {
  letters.checked = remembered.get('keys') !== 'off';
  letters.addEventListener('change', () => remembered.set('keys', letters.checked ? 'on' : 'off'));
}
start(document);
beginCounting();
countDown();
goOn();
adoptNotices();
announceAgain();
const moved = new URLSearchParams(location.search).get('moved');
if (moved) document.getElementById(`grip-${moved}`)?.focus();

// --- Tabs: the chosen one may lie outside of a narrow screen -----------------------------------------
for (const tab of findAll('.tabs [aria-current]')) {
  const row = tab.parentElement;
  row.scrollLeft += tab.getBoundingClientRect().left - row.getBoundingClientRect().left;
}
