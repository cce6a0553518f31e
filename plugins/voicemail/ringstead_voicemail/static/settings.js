// Settings are saved as they are changed: each form of a card is sent by itself, and its button is not needed.
for (const form of document.querySelectorAll('[data-autosave]')) {
  form.querySelector('[data-save-row]').hidden = true;
  form.addEventListener('change', () => form.requestSubmit());
}
