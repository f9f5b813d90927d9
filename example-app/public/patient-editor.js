import { byId, guardUnsaved } from './page.js';

const dialog = byId('editor');
const form = byId('editor-form');
const names = ['first_name', 'last_name', 'note', 'ward'];

/** What is being edited: the row as it was when the dialog opened; one without an id is to be admitted. */
let original;
let live;

const typed = () => Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]));
const changes = () => Object.fromEntries(Object.entries(typed()).filter(([name, value]) => value !== (original[name] ?? '')));

/** Opens the dialog for a patient. */
export function editPatient(connection, user, patient) {
  original = patient;
  live = connection;
  byId('editor-title').textContent =
    patient.id === undefined ? 'Admit a patient' : `Edit ${patient.first_name} ${patient.last_name}`;
  byId('save').textContent = patient.id === undefined ? 'Admit' : 'Save';
  for (const name of names) form.elements[name].value = patient[name] ?? '';
  byId('ward-field').disabled = !user.leads || (patient.id === undefined && user.wards.length < 2);
  byId('ward-hint').hidden = user.leads;
  byId('save').disabled = false;
  byId('editor-notice').textContent = '';
  showProblems({});
  dialog.showModal();
}

function showProblems(problems) {
  for (const name of names) {
    byId(`${name}-error`).textContent = problems[name]?.join(' ') ?? '';
    form.elements[name].setAttribute('aria-invalid', String(name in problems));
  }
  byId('editor-problem').textContent = problems.detail ?? '';
  form.querySelector('[aria-invalid="true"]')?.focus();
}

/** Only what was edited is sent, so that it does not undo what others have changed meanwhile. */
async function save() {
  const { id } = original;
  showProblems({});
  byId('save').disabled = true;
  try {
    if (id === undefined) {
      await live.request('patients', 'create', { data: { ...typed(), admission_date: new Date().toISOString() } });
    } else if (Object.keys(changes()).length > 0) {
      await live.request('patients', 'patch', { pk: id, data: changes() });
    }
    dialog.close();
  } catch ({ reason, message, errors }) {
    showProblems(reason === 'refused' ? fieldsOf(errors, message) : { detail: `Not saved: ${message} ${advice[reason]}` });
  } finally {
    byId('save').disabled = false;
  }
}

const advice = {
  'not sent': 'What you typed stays here: save it when the connection is back.',
  unanswered: 'What you typed stays here: look whether it was saved when the connection is back.',
};

/** The texts by field that the REST API answers with; anything else as a whole. */
function fieldsOf([error], message) {
  return Object.keys(error ?? {}).some((name) => names.includes(name)) ? error : { detail: message };
}

/** Tells who edits what others do to the same patient. */
export function noticeChange(id, patient) {
  if (!dialog.open || original.id !== id) return;
  if (patient === undefined) {
    byId('editor-notice').textContent = 'This patient has left the ward meanwhile.';
    byId('save').disabled = true;
    return;
  }
  const different = names.filter((name) => patient[name] !== original[name] && patient[name] !== form.elements[name].value);
  if (different.length === 0) return;
  const texts = different.map((name) => `${name.replace('_', ' ')} is now “${patient[name]}”`);
  byId('editor-notice').textContent = `Somebody else has changed this patient: ${texts.join(', ')}.`;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void save();
});
byId('cancel').addEventListener('click', () => dialog.close());
guardUnsaved(() => dialog.open && Object.keys(changes()).length > 0);
