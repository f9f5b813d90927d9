import { editPatient, noticeChange } from './patient-editor.js';
import { byId, element, startPage } from './page.js';

const { user, live } = await startPage();
const roleTexts = {
  admin: 'You are an administrator: every ward is yours.',
  doctor: 'You are a doctor here: you admit, edit, move and discharge.',
  nurse: 'You are a nurse here: you edit. Doctors admit, move and discharge.',
  guest: '',
};

/** The patients of the ward that is shown, and their items, by id. */
const patients = new Map();
const items = new Map();
let unfollow = () => {};
let shownWard;

// The ward

function showWard(ward) {
  unfollow('unfollow');
  shownWard = ward;
  byId('title').textContent = `Ward ${ward}`;
  unfollow = live.subscribe('wards', 'follow', { ward }, { snapshot: showAll, change: showChange, refused: showDenial });
}

function showAll(rows) {
  byId('ward').hidden = false;
  byId('ward').setAttribute('aria-busy', 'false');
  const ids = new Set(rows.map(({ id }) => id));
  for (const id of [...patients.keys()]) if (!ids.has(id)) remove(id);
  for (const row of rows) show(row);
}

/** A patient who was moved away is told by `pk` alone: where to, and how they are, is the other ward's. */
function showChange(action, row) {
  const id = row.id ?? row.pk;
  const before = patients.get(id);
  if (action === 'delete') {
    if (before !== undefined) tell(`${nameOf(before)} has left ward ${shownWard}.`);
    remove(id);
    return;
  }
  show(row);
  tell(`${nameOf(row)} ${changeOf(before, row)}.`);
  flash(items.get(id));
}

function changeOf(before, { dismissal_date }) {
  if (before === undefined) return `has come to ward ${shownWard}`;
  if ((before.dismissal_date === null) === (dismissal_date === null)) return 'was edited';
  return dismissal_date === null ? 'was readmitted' : 'was discharged';
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function tell(text) {
  byId('news').textContent = `${clock.format(new Date())} · ${text}`;
}

function showDenial({ message }) {
  byId('ward').hidden = true;
  byId('admit').hidden = true;
  byId('news').hidden = true;
  byId('denied').hidden = false;
  byId('denied').textContent = message;
}

// A patient

const nameOf = ({ first_name, last_name }) => `${first_name} ${last_name}`;
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const dayMs = 24 * 60 * 60 * 1_000;

function show(patient) {
  patients.set(patient.id, patient);
  noticeChange(patient.id, patient);
  const item = items.get(patient.id) ?? element('li', { id: `patient-${patient.id}` });
  items.set(patient.id, item);
  const focused = item.contains(document.activeElement) ? document.activeElement.dataset.does : undefined;
  item.replaceChildren(...detailsOf(patient));
  const list = byId(patient.dismissal_date === null ? 'present' : 'dismissed');
  if (item.parentNode !== list) list.append(item);
  showCounts();
  if (focused === undefined) return;
  const button = item.checkVisibility() ? item.querySelector(`[data-does="${focused}"]`) : null;
  (button ?? byId('title')).focus();
}

function remove(id) {
  const item = items.get(id);
  if (item?.contains(document.activeElement)) byId('title').focus();
  item?.remove();
  items.delete(id);
  noticeChange(id);
  patients.delete(id);
  showCounts();
}

function showCounts() {
  const dismissed = byId('dismissed').childElementCount;
  byId('dismissed-count').textContent = dismissed;
  byId('dismissed-section').hidden = dismissed === 0;
  byId('nobody').hidden = patients.size > dismissed;
}

function detailsOf(patient) {
  const { admission_date, dismissal_date, note } = patient;
  const who = element('div', { className: 'who' }, element('h2', {}, nameOf(patient)));
  const since = Math.max(1, Math.ceil((Date.now() - new Date(admission_date)) / dayMs));
  const when =
    dismissal_date === null
      ? `Admitted ${date.format(new Date(admission_date))} · day ${since}`
      : `Discharged ${date.format(new Date(dismissal_date))}`;
  who.append(element('p', { className: 'hint' }, when));
  return [who, element('p', { className: 'note' }, note), element('div', { className: 'actions' }, ...buttonsOf(patient))];
}

function buttonsOf(patient) {
  const button = (does, click) => {
    const made = element('button', { type: 'button', ariaLabel: `${does} ${nameOf(patient)}` }, does);
    made.dataset.does = does;
    made.addEventListener('click', click);
    return made;
  };
  const buttons = [button('Edit', () => editPatient(live, user, patients.get(patient.id)))];
  if (!user.leads) return buttons;
  return [
    ...buttons,
    patient.dismissal_date === null
      ? button('Discharge', () => confirmDischarge(patient))
      : button('Readmit', () => void change(patient, { dismissal_date: null })),
  ];
}

/** The list moves up when somebody leaves it: without a question, a second click would discharge the next patient. */
function confirmDischarge(patient) {
  const dialog = byId('discharge');
  byId('discharge-title').textContent = `Discharge ${nameOf(patient)}?`;
  dialog.returnValue = '';
  dialog.onclose = () => {
    if (dialog.returnValue === 'discharge') void change(patient, { dismissal_date: new Date().toISOString() });
  };
  dialog.showModal();
}

function flash(item) {
  item.classList.remove('changed');
  // Reading the layout lets the animation begin anew.
  void item.offsetWidth;
  item.classList.add('changed');
}

/** What could not be done stays on the page, with a button to do it again. */
async function change(patient, data) {
  const problem = byId('problem');
  problem.hidden = true;
  try {
    await live.request('patients', 'patch', { pk: patient.id, data });
  } catch ({ message, reason }) {
    const what = data.dismissal_date === null ? 'readmitted' : 'discharged';
    problem.replaceChildren(element('span', {}, `${nameOf(patient)} was not ${what}. ${message}`));
    if (reason !== 'refused') {
      const again = element('button', { type: 'button' }, 'Try again');
      again.addEventListener('click', () => void change(patient, data));
      problem.append(again);
    }
    problem.hidden = false;
  }
}

// The page

byId('role').textContent = roleTexts[user.role];
byId('admit').hidden = !user.leads;
byId('admit').addEventListener('click', () => editPatient(live, user, { ward: shownWard }));

const [firstWard] = user.wards;
if (firstWard === undefined) {
  showDenial({ message: 'Your account sees no patients: an administrator has to give it a role and a ward.' });
} else {
  const fromAddress = location.hash.slice(1);
  showWard(user.wards.includes(fromAddress) ? fromAddress : firstWard);
}
byId('ward-choice').hidden = user.wards.length < 2;
byId('wards').append(
  ...user.wards.map((ward) => {
    const input = element('input', { type: 'radio', name: 'ward-shown', value: ward, checked: ward === shownWard });
    return element('label', { className: 'choice' }, input, element('span', {}, ward));
  }),
);
byId('wards').addEventListener('change', ({ target }) => {
  history.replaceState(null, '', `#${target.value}`);
  for (const id of [...patients.keys()]) remove(id);
  byId('news').textContent = '';
  showWard(target.value);
});
