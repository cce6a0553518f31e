// What the call log gains from scripting: rows that open in place, and word of new calls. Without it, a row's name leads
// to a page of its own, and new calls are there when the page is loaded again.

const POLL_MS = 30_000;

// --- Rows that open: the first time asks the server, then it only shows and hides -----------------------
function panelOf(opener) { return opener.closest('li').querySelector('.opened'); }

function toggle(event) {
  const opener = event.target.closest('a[data-opens]');
  if (!opener || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const panel = panelOf(opener);
  if (panel.childElementCount === 0) {
    opener.dispatchEvent(new CustomEvent('open'));
    opener.setAttribute('aria-expanded', 'true');
    return;
  }
  panel.hidden = !panel.hidden;
  opener.setAttribute('aria-expanded', String(!panel.hidden));
}

function markOpeners(root) {
  root.querySelectorAll('a[data-opens]:not([aria-expanded])').forEach((opener) => {
    opener.setAttribute('aria-expanded', 'false');
  });
}

// --- Earlier calls: the focus goes on where they begin --------------------------------------------------
function focusFirstNew(event) {
  const source = event.detail?.ctx?.sourceElement;
  if (!source?.matches?.('.more a')) return;
  focusNext = source.closest('.more').previousElementSibling;
}
let focusNext = null;

function afterSwap() {
  markOpeners(document);
  if (!focusNext) return;
  const first = focusNext.nextElementSibling?.querySelector('a[data-opens]');
  focusNext = null;
  first?.focus();
}

// --- New calls: asked for while somebody looks ---------------------------------------------------------
function poll() {
  if (document.visibilityState !== 'visible') return;
  document.querySelectorAll('[data-poll]').forEach((place) => place.dispatchEvent(new CustomEvent('poll')));
}

// --- The address names only what is asked for ------------------------------------------------------------
function dropEmpty(event) {
  [...event.formData].filter(([, value]) => value === '').forEach(([name]) => event.formData.delete(name));
}

document.querySelector('form.filters')?.addEventListener('formdata', dropEmpty);
document.addEventListener('click', toggle);
document.addEventListener('htmx:before:swap', focusFirstNew);
document.addEventListener('htmx:after:swap', afterSwap);
document.addEventListener('visibilitychange', poll);
setInterval(poll, POLL_MS);
markOpeners(document);
