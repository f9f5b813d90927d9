import { Live } from './live.js';

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts are never read as HTML. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export async function callApi(method, url, body) {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { ok: response.ok, body: text === '' ? null : JSON.parse(text) };
}

export function goToSignIn(why) {
  const next = location.pathname + location.search + location.hash;
  location.assign(`/sign-in?${new URLSearchParams({ next, ...(why && { why }) })}`);
}

/** Who is signed in, and the socket of the page. Those who are not signed in are sent to the sign-in page. */
export async function startPage() {
  const { ok, body: user } = await callApi('GET', '/api/auth/me');
  if (!ok) {
    goToSignIn();
    return new Promise(() => {});
  }
  byId('user').textContent = user.username;
  byId('account').hidden = false;
  const live = new Live('/ws/live');
  showConnection(live);
  byId('try-now').addEventListener('click', () => live.connect());
  byId('sign-out').addEventListener('click', () => signOut());
  return { user, live };
}

async function signOut() {
  const { ok } = await callApi('POST', '/api/auth/logout').catch(() => ({ ok: false }));
  // Its socket closes too, as those of the other windows do.
  if (ok) goToSignIn('signed out');
  else showLost('You are not signed out: the server does not answer.');
}

const shortTexts = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Reconnecting',
  offline: 'Offline',
  ended: 'Not connected',
};

/** The word in the head of the page is read out when it changes; the line below it counts the seconds for those who see it. */
function showConnection(live) {
  const connection = byId('connection');
  let ticking;
  const show = () => {
    const { name, until, why } = live.state;
    if (why === 'signed out') goToSignIn(why);
    clearInterval(ticking);
    // Nothing flickers while the next attempt is made.
    if (name === 'connecting' && connection.dataset.state === 'waiting') return;
    connection.dataset.state = name;
    connection.textContent = shortTexts[name];
    byId('try-now').hidden = name === 'ended';
    const tell = () => showLost(lostText(name, until));
    tell();
    if (name === 'waiting') ticking = setInterval(tell, 250);
  };
  live.addEventListener('state', show);
  show();
}

function showLost(text) {
  byId('lost').hidden = text === '';
  byId('lost-text').textContent = text;
}

function lostText(name, until) {
  if (name === 'open' || name === 'connecting') return '';
  if (name === 'offline') return 'You are offline. This page goes on as soon as you are back.';
  if (name === 'ended') return 'You may not be connected any more. Reload the page, or ask an administrator.';
  const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1_000));
  return `The connection was lost. Reconnecting in ${seconds} s.`;
}

/** The browser asks before it leaves a page on which something is unsaved. */
export function guardUnsaved(isUnsaved) {
  addEventListener('beforeunload', (event) => {
    if (isUnsaved()) event.preventDefault();
  });
}

/** The controls of a form wait for its handlers: the browser would send the form by itself, with what was typed in the address. */
export function openForm(form) {
  for (const control of form.elements) control.disabled = false;
  form.querySelector('[autofocus]')?.focus();
}

/** Two letters on a colour that is always the same for a name. */
export function avatar(name) {
  const made = element('span', { className: 'avatar', ariaHidden: 'true' }, name.slice(0, 2));
  const hue = (47 * [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0)) % 360;
  made.style.setProperty('--hue', hue);
  return made;
}
