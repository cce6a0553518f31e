// Records a greeting with the microphone. What MediaRecorder makes differs from browser to browser (WebM, MP4), and the
// server reads none of these; so the samples are taken from the audio graph and written as a WAV file, which every
// browser can do and every telephone system understands.

const find = (selector, root = document) => root.querySelector(selector);
const box = find('[data-recorder]');
const most = box ? Number(box.dataset.recorder) : 0;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
const RATE = 16000;
const BARS = 60;
let take = null;

function say(text) { find('[data-say]', box).textContent = text; }

// --- The level, as bars that run from right to left ----------------------------------------------------
const levels = new Array(BARS).fill(0);
function drawLevel(level) {
  levels.push(level);
  levels.shift();
  const picture = find('[data-level]', box);
  while (picture.childElementCount < BARS) picture.append(document.createElementNS('http://www.w3.org/2000/svg', 'rect'));
  levels.forEach((height, number) => {
    const bar = picture.children[number];
    const tall = Math.max(2, Math.min(38, height * 90));
    bar.setAttribute('x', String(number * 4 + 0.7));
    bar.setAttribute('y', String((40 - tall) / 2));
    bar.setAttribute('width', '2.4');
    bar.setAttribute('height', String(tall));
    bar.setAttribute('class', height > 0 ? 'on' : '');
  });
}

// --- Taking samples -----------------------------------------------------------------------------------
let isStarting = false;
async function begin() {
  if (isStarting || take) return;
  isStarting = true;
  try { await start(); } finally { isStarting = false; }
}

async function start() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, noiseSuppression: true } });
  } catch {
    say(box.dataset.denied);
    return;
  }
  const context = new AudioContext();
  const module = new URL('sampler.js', import.meta.url);
  await context.audioWorklet.addModule(module);
  const sampler = new AudioWorkletNode(context, 'sampler');
  take = { stream, context, pieces: [], length: 0 };
  sampler.port.onmessage = (event) => collect(event.data);
  context.createMediaStreamSource(stream).connect(sampler);
  sampler.connect(context.destination);
  box.classList.add('is-playing');
  say(box.dataset.recording);
}

function collect(samples) {
  if (!take) return;
  take.pieces.push(samples);
  take.length += samples.length;
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  drawLevel(peak);
  const seconds = take.length / take.context.sampleRate;
  find('[data-clock]', box).textContent = `${clock(seconds)} / ${clock(most)}`;
  if (seconds >= most) end();
}

async function end() {
  const { stream, context, pieces, length } = take;
  take = null;
  stream.getTracks().forEach((track) => track.stop());
  box.classList.remove('is-playing');
  const file = new File([wav(await resampled(pieces, length, context.sampleRate))], 'greeting.wav', { type: 'audio/wav' });
  await context.close();
  const chosen = new DataTransfer();
  chosen.items.add(file);
  find('#sound').files = chosen.files;
  preview(file);
  say(box.dataset.done);
}

async function resampled(pieces, length, rate) {
  const offline = new OfflineAudioContext(1, Math.max(1, Math.ceil((length / rate) * RATE)), RATE);
  const buffer = offline.createBuffer(1, Math.max(1, length), rate);
  let at = 0;
  for (const piece of pieces) { buffer.copyToChannel(piece, 0, at); at += piece.length; }
  const source = offline.createBufferSource();
  source.buffer = buffer;
  source.connect(offline.destination);
  source.start();
  return (await offline.startRendering()).getChannelData(0);
}

// RIFF, WAVE, format 1 (PCM), one channel of 16 bits.
function wav(samples) {
  const data = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, word) => [...word].forEach((char, number) => data.setUint8(at + number, char.charCodeAt(0)));
  text(0, 'RIFF'); data.setUint32(4, 36 + samples.length * 2, true); text(8, 'WAVEfmt ');
  data.setUint32(16, 16, true); data.setUint16(20, 1, true); data.setUint16(22, 1, true);
  data.setUint32(24, RATE, true); data.setUint32(28, RATE * 2, true);
  data.setUint16(32, 2, true); data.setUint16(34, 16, true);
  text(36, 'data'); data.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, number) => data.setInt16(44 + number * 2, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return data.buffer;
}

// What is listened to before it is saved is only in this page's memory, so there is no plain address for it.
function preview(file) {
  const audio = find('[data-preview]', box);
  const reader = new FileReader();
  reader.onload = () => { audio.src = reader.result; audio.hidden = false; };
  reader.readAsDataURL(file);
}

find('[data-record]', box)?.addEventListener('click', () => (take ? end() : begin()));
if (box) drawLevel(0);
