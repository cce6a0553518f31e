// The players of a page, and the list beside them. One plays at a time, over the plain address that the server gave: no
// sound is fetched before somebody asks for it, and browsers seek by ranges of bytes.

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const token = () => find('meta[name="csrf-token"]')?.content || find('input[name="csrf_token"]')?.value;
const audio = new Audio();
audio.preload = 'none';
let playing = null;
let speed = 1;

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

// --- Where somebody stopped, by message -------------------------------------------------------------
const places = {
  get(key) { try { return Number(localStorage.getItem(`vm:${key}`)) || 0; } catch { return 0; } },
  set(key, seconds) { try { localStorage.setItem(`vm:${key}`, String(seconds)); } catch { /* private mode */ } },
};

// --- Showing ----------------------------------------------------------------------------------------
const lengthOf = (player) => (player === playing && Number.isFinite(audio.duration) ? audio.duration : Number(player.dataset.seconds));

function show(player, seconds) {
  const length = lengthOf(player);
  const seek = find('[data-seek]', player);
  seek.max = String(length);
  seek.value = String(seconds);
  seek.setAttribute('aria-valuetext', player.dataset.at.replace('${at}', clock(seconds)).replace('${length}', clock(length)));
  find('[data-time]', player).textContent = `${clock(seconds)} / ${clock(length)}`;
  const bars = findAll('rect', player);
  const reached = length ? (seconds / length) * bars.length : 0;
  bars.forEach((bar, number) => bar.classList.toggle('on', number < reached));
}

function showState(player, isPlaying) {
  player.classList.toggle('is-playing', isPlaying);
  const button = find('[data-play]', player);
  button.setAttribute('aria-label', isPlaying ? button.dataset.pauseName : button.dataset.playName);
}

// --- Playing ----------------------------------------------------------------------------------------
function take(player) {
  if (playing === player) return;
  if (playing) { audio.pause(); showState(playing, false); }
  playing = player;
  const start = places.get(player.dataset.key);
  audio.src = player.dataset.audio;
  audio.playbackRate = speed;
  if (start) audio.currentTime = start;
}

async function toggle(player) {
  take(player);
  if (!audio.paused) { audio.pause(); return; }
  audio.playbackRate = speed;
  try {
    await audio.play();
    markHeard(player);
  } catch (error) {
    if (error.name === 'AbortError') return;
    showState(player, false);
    document.dispatchEvent(new CustomEvent('say', { detail: player.dataset.broken }));
  }
}

function seek(player, seconds) {
  take(player);
  const to = Math.max(0, Math.min(seconds, lengthOf(player)));
  audio.currentTime = to;
  places.set(player.dataset.key, to);
  show(player, to);
}

audio.addEventListener('play', () => playing && showState(playing, true));
audio.addEventListener('pause', () => playing && showState(playing, false));
audio.addEventListener('timeupdate', () => {
  if (!playing || audio.seeking) return;
  places.set(playing.dataset.key, audio.currentTime);
  show(playing, audio.currentTime);
});
audio.addEventListener('ended', () => {
  if (!playing) return;
  places.set(playing.dataset.key, 0);
  showState(playing, false);
  show(playing, 0);
});

// --- Heard: what is played is no longer new -----------------------------------------------------------
async function markHeard(player) {
  const heard = player.dataset.heard;
  if (!heard) return;
  delete player.dataset.heard;
  const isLink = heard.startsWith('/');
  const body = new URLSearchParams({ csrf_token: token(), do: 'heard' });
  if (!isLink) body.set('id', heard);
  const answer = await fetch(isLink ? heard : '/voicemail/messages', {
    method: 'POST', body, headers: { Accept: 'application/json' },
  }).catch(() => null);
  if (!answer?.ok) { player.dataset.heard = heard; return; }
  const row = find(`[data-row="${CSS.escape(heard)}"]`) || player.closest('li');
  if (row) findAll('[data-unread]', row).forEach((mark) => mark.remove());
  findAll('[data-mark-heard]').forEach((button) => button.remove());
  document.dispatchEvent(new CustomEvent('counts'));
  const { new: left } = await answer.json();
  if (left === undefined) return;
  findAll('[data-new-count]').forEach((count) => { count.textContent = String(left); count.hidden = left === 0; });
}

// --- Controls ---------------------------------------------------------------------------------------
const playerFor = (element) => element.closest('[data-player]') || find('[data-player]', element.closest('.card, article') || document);

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-play], [data-skip], [data-speed]');
  if (!button) return;
  const player = playerFor(button);
  if (!player) return;
  if (button.matches('[data-play]')) toggle(player);
  else if (button.dataset.skip) seek(player, Number(find('[data-seek]', player).value) + Number(button.dataset.skip));
  else {
    speed = Number(button.dataset.speed);
    audio.playbackRate = speed;
    findAll('[data-speed]', button.parentElement).forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
  }
});

document.addEventListener('input', (event) => {
  if (event.target.matches('[data-seek]')) seek(playerFor(event.target), Number(event.target.value));
});

document.addEventListener('keydown', (event) => {
  if (event.key !== ' ' || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest('input:not([data-seek]), textarea, select, button, a, summary');
  const player = event.target.closest('[data-player]') || find('#detail [data-player]') || playing;
  if (typing || !player) return;
  event.preventDefault();
  toggle(player);
});

// --- Deleting from a card: the same form as on the mailbox page, whose answer offers to undo it -------------
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-trash]');
  if (!button) return;
  const form = document.createElement('form');
  form.method = 'post';
  form.action = '/voicemail/messages';
  const fields = { csrf_token: token(), id: button.dataset.trash, do: 'trash', back: location.pathname };
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
  }
  document.body.append(form);
  form.submit();
});

// --- Selecting --------------------------------------------------------------------------------------
function countSelected(form) {
  const count = findAll('.check:checked', form).length;
  const shown = find('[data-selected]', form);
  if (!shown) return;
  shown.hidden = false;
  shown.textContent = String(count);
}

document.addEventListener('change', (event) => {
  const form = event.target.closest('[data-messages]');
  if (form) countSelected(form);
});
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-select-messages], [data-clear]');
  if (!button) return;
  const form = find('[data-messages]');
  const selecting = button.matches('[data-select-messages]') && !form.classList.contains('selecting');
  form.classList.toggle('selecting', selecting);
  find('[data-select-messages]')?.setAttribute('aria-pressed', String(selecting));
  if (!selecting) findAll('.check:checked', form).forEach((box) => { box.checked = false; });
  countSelected(form);
});

// --- A message that was swapped in: it is shown as chosen, and on a phone it takes the page --------------
function start(root) {
  findAll('[data-player]', root).forEach((player) => show(player, places.get(player.dataset.key)));
}

document.addEventListener('htmx:after:swap', () => {
  const detail = find('#detail');
  const panes = detail?.closest('.panes');
  if (!panes || !find('#message', detail)) return;
  panes.classList.add('has-detail');
  findAll('[data-needs-script]', detail).forEach((element) => { element.hidden = false; });
  const chosen = find('[data-player]', detail)?.dataset.key;
  findAll('[data-row]').forEach((row) => {
    row.classList.toggle('sel', row.dataset.row === chosen);
    find('.hit', row)?.toggleAttribute('aria-current', row.dataset.row === chosen);
  });
  start(detail);
});

start(document);
