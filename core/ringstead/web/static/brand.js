// The brand studio: colour pickers beside the fields, and suggestions that fill them in. The form works without.

const field = (name) => document.getElementById(name);
const LONG = /^#[0-9a-f]{6}$/i;

function changed(input) {
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

// A colour picker has no name: what is sent is the text field beside it.
document.addEventListener('input', (event) => {
  const picked = event.target.dataset?.picks;
  if (picked) field(picked).value = event.target.value;
  const picker = document.querySelector(`[data-picks="${event.target.id}"]`);
  if (picker && LONG.test(event.target.value)) picker.value = event.target.value.toLowerCase();
  const shown = event.target.type === 'range' && document.querySelector(`output[for="${event.target.id}"]`);
  if (shown) shown.textContent = `${event.target.value} ${shown.dataset.unit}`;
});

// Examples and suggestions: submit buttons that would send the form; here they only fill it in.
document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-color], button[data-accent]');
  if (!button || button.form?.id !== 'brand') return;
  event.preventDefault();
  for (const name of ['color', 'accent']) {
    if (!button.dataset[name]) continue;
    field(name).value = button.dataset[name];
    field(name).dispatchEvent(new Event('input', { bubbles: true }));
  }
  changed(field('color'));
});
