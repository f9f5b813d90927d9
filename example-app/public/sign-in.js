import { byId, callApi, openForm } from './page.js';

const form = byId('credentials');
const parameters = new URLSearchParams(location.search);
if (parameters.get('why') === 'signed out') byId('why').textContent = 'You are signed out, in all windows of this browser.';

/** Back to where they came from, on this site. */
function goOn() {
  const next = new URL(parameters.get('next') ?? '/', location.origin);
  location.assign(next.origin === location.origin ? next : '/');
}

function isNew() {
  return form.elements.kind.value === 'up';
}

function showProblems(problems) {
  for (const name of ['username', 'password']) {
    byId(`${name}-error`).textContent = problems[name]?.join(' ') ?? '';
    byId(name).setAttribute('aria-invalid', String(name in problems));
  }
  byId('problem').textContent = problems.detail ?? '';
  form.querySelector('[aria-invalid="true"]')?.focus();
}

async function signIn(credentials) {
  const { ok, body } = await callApi('POST', '/api/auth/login', credentials);
  if (ok) goOn();
  else showProblems(body);
}

async function signUp(credentials) {
  // The API has users without a password, who can't sign in.
  const { ok, body } = await callApi('POST', '/api/users', credentials);
  if (ok) await signIn(credentials);
  else showProblems(body);
}

/** A server that is not there is told where the user looks. */
const reporting = (task) => task.catch((error) => showProblems({ detail: `The server can't be reached: ${error.message}` }));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const credentials = { username: byId('username').value, password: byId('password').value };
  void reporting(isNew() ? signUp(credentials) : signIn(credentials));
});

form.addEventListener('change', ({ target }) => {
  if (target.name !== 'kind') return;
  byId('submit').textContent = isNew() ? 'Create an account' : 'Sign in';
  byId('password').autocomplete = isNew() ? 'new-password' : 'current-password';
  showProblems({});
});
openForm(form);

for (const button of document.querySelectorAll('[data-account]')) {
  const { account } = button.dataset;
  button.disabled = false;
  button.addEventListener('click', () => void reporting(signIn({ username: account, password: `${account}-demo` })));
}
