/** The consumers of the example app, their actions, and what a frame for each looks like. */
const patient = { first_name: 'Lise', last_name: 'Meitner', admission_date: '2026-11-20T09:30Z' };
const consumers = {
  '/ws/user': {
    list: {},
    retrieve: { pk: 1 },
    create: { data: { username: 'emmy', email: 'emmy@example.com' } },
    update: { pk: 2, data: { email: 'grace.hopper@example.com' } },
  },
  '/ws/patients': {
    list: { query: { last_name: 'Curie' } },
    retrieve: { pk: 1 },
    create: { data: patient },
    update: { pk: 1, data: { ...patient, dismissal_date: '2026-11-21T12:00Z' } },
    patch: { pk: 1, data: { first_name: 'Maria' } },
    delete: { pk: 3 },
  },
  '/ws/wards': {
    follow: { ward: 'North' },
    unfollow: { ward: 'North' },
  },
};

const closeReasons = new Map([
  [1006, 'no connection to the server'],
  [1009, 'the frame was too big'],
  [1012, 'the server restarts'],
  [4008, 'this page was too slow'],
  [4400, 'too many malformed frames'],
  [4401, 'the login ended'],
  [4403, 'refused'],
  [4408, 'idle'],
  [4429, 'too many frames'],
]);

const element = (id) => document.getElementById(id);
const loginForm = element('login');
const composer = element('composer');
const frameField = element('frame');
const entries = element('entries');

let path = '/ws/user';
let socket;
let requestId = 1;
/** When each request was sent, by its request_id as JSON. */
const sentAt = new Map();

// The frame

function offerChoices(container, name, values, chosen) {
  const choices = values.map((value) => {
    const input = Object.assign(document.createElement('input'), { type: 'radio', name, value, checked: value === chosen });
    const label = Object.assign(document.createElement('label'), { className: 'choice' });
    label.append(input, textElement('span', '', value));
    return label;
  });
  container.replaceChildren(...choices);
}

function chooseConsumer(chosen) {
  path = chosen;
  const [first] = Object.keys(consumers[path]);
  offerChoices(element('actions'), 'action', Object.keys(consumers[path]), first);
  writeFrame(first);
}

function writeFrame(action) {
  frameField.value = JSON.stringify({ action, request_id: requestId, ...consumers[path][action] }, null, 2);
  showFrameProblem('');
}

/** The next frame gets the next request_id, and whatever was edited stays. */
function countUp(frame) {
  if (frame.request_id !== requestId) return;
  requestId += 1;
  frameField.value = frameField.value.replace(/("request_id"\s*:\s*)\d+/, `$1${requestId}`);
}

function showFrameProblem(text) {
  element('frame-error').textContent = text;
  frameField.setAttribute('aria-invalid', String(text !== ''));
}

function parseFrame() {
  try {
    return JSON.parse(frameField.value);
  } catch (error) {
    showFrameProblem(`This is no JSON yet: ${error.message}`);
    frameField.focus();
    return undefined;
  }
}

async function send() {
  const frame = parseFrame();
  if (frame === undefined) return;
  showFrameProblem('');
  const text = JSON.stringify(frame);
  const open = await connect();
  if (open === undefined) return;
  open.send(text);
  element('reply').hidden = true;
  sentAt.set(JSON.stringify(frame?.request_id ?? null), performance.now());
  addFrame('out', frame);
  if (frame !== null) countUp(frame);
}

// The socket

/** The open socket of the chosen consumer; undefined when it cannot be opened. */
function connect() {
  if (socket?.path === path && socket.opened !== undefined) return socket.opened;
  disconnect();
  const url = `${location.protocol === 'http:' ? 'ws:' : 'wss:'}//${location.host}${path}`;
  const webSocket = new WebSocket(url);
  const current = { path, webSocket };
  socket = current;
  showConnection('connecting', `Connecting to ${path}`);

  webSocket.addEventListener('message', ({ data }) => receive(data));
  current.opened = new Promise((resolve) => {
    webSocket.addEventListener('open', () => {
      showConnection('open', `Connected to ${current.path}`);
      resolve(webSocket);
    });
    webSocket.addEventListener('close', ({ code, reason }) => {
      resolve(undefined);
      if (socket !== current) return;
      socket = undefined;
      const why = closeReasons.get(code) ?? reason;
      showConnection(code === 1006 ? 'failed' : 'closed', 'Not connected');
      addNote(`Closed with ${code}${why ? `: ${why}` : ''}`);
    });
  });
  return current.opened;
}

function disconnect() {
  socket?.webSocket.close();
  socket = undefined;
  sentAt.clear();
}

function receive(data) {
  const frame = JSON.parse(data);
  const key = JSON.stringify(frame.request_id);
  const sent = sentAt.get(key);
  sentAt.delete(key);
  const duration = sent === undefined ? undefined : performance.now() - sent;
  addFrame('in', frame, duration);
  if (duration !== undefined) showReply(frame.response_status, duration);
}

/** Beside the button that was pressed, for the log may be out of sight on a phone. */
function showReply(status, duration) {
  const reply = element('reply');
  reply.replaceChildren(statusPill(status), ` in ${inMilliseconds(duration)}`);
  reply.hidden = false;
}

function showConnection(state, text) {
  const connection = element('connection');
  connection.dataset.state = state;
  connection.textContent = text;
}

// The log

function textElement(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function addFrame(direction, frame, milliseconds) {
  const status = frame?.response_status;
  const way = textElement('span', 'direction', direction === 'out' ? '↑ ' : '↓ ');
  way.append(textElement('span', 'word', direction === 'out' ? 'Sent' : 'Received'));
  const head = [way];
  if (status !== undefined) head.push(statusPill(status));
  head.push(textElement('span', 'subject', [frame?.action ?? '', `#${JSON.stringify(frame?.request_id ?? null)}`].join(' ')));
  if (milliseconds !== undefined) head.push(textElement('span', 'hint', inMilliseconds(milliseconds)));

  const body = textElement('pre', '', '');
  body.tabIndex = 0;
  body.append(...coloured(JSON.stringify(frame, null, direction === 'out' ? undefined : 2)));
  addEntry(direction, head, body);
}

function addNote(text) {
  addEntry('note', [textElement('span', '', text)]);
}

function addEntry(className, head, ...rest) {
  const now = new Date();
  const clock = `${now.toLocaleTimeString('en-GB')}.${String(now.getMilliseconds()).padStart(3, '0')}`;
  const time = Object.assign(textElement('time', '', clock), { dateTime: now.toISOString() });
  const header = textElement('div', 'entry-head', '');
  header.append(...head, time);
  const entry = textElement('article', `entry ${className}`, '');
  entry.append(header, ...rest);
  entries.prepend(entry);
  showEmpty(false);
}

function showEmpty(empty) {
  element('empty').hidden = !empty;
  element('clear').disabled = empty;
}

function statusPill(status) {
  const tone = status < 400 ? 'good' : status < 500 ? 'warn' : 'bad';
  return textElement('span', `status ${tone}`, status);
}

const inMilliseconds = (duration) => `${duration.toFixed(0)} ms`;

/** JSON text as nodes: keys, texts and other values each in their colour. */
function coloured(json) {
  return json.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*)/).map((part) => {
    if (part.startsWith('"')) return textElement('span', part.endsWith(':') ? 'key' : 'string', part);
    return /^(true|false|null|-?\d)/.test(part) ? textElement('span', 'literal', part) : part;
  });
}

// The account

async function callApi(method, url, body) {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { ok: response.ok, body: text === '' ? null : JSON.parse(text) };
}

function showUser(user) {
  loginForm.hidden = user !== null;
  element('accounts').hidden = user !== null;
  element('session').hidden = user === null;
  element('session-user').textContent = user?.username ?? '';
}

function showLoginProblem(problems) {
  for (const name of ['username', 'password']) element(name).setAttribute('aria-invalid', String(name in problems));
  element('login-error').textContent = Object.entries(problems)
    .map(([name, text]) => (name === 'detail' ? text : `${name}: ${[text].flat().join(' ')}`))
    .join(' ');
}

async function logIn(username, password) {
  const { ok, body } = await callApi('POST', '/api/auth/login', { username, password });
  showLoginProblem(ok ? {} : body);
  if (!ok) return;
  loginForm.reset();
  showUser(body);
  element('logout').focus();
  // A socket keeps the login of its handshake, so a new login needs a new socket.
  addNote(`Signed in as ${body.username}`);
  disconnect();
  await connect();
}

async function logOut() {
  await callApi('POST', '/api/auth/logout');
  addNote('Signed out');
  showUser(null);
  element('username').focus();
}

/** A server that is not there is told where the user looks, not in the console alone. */
const reporting = (show, task) => (event) => {
  event.preventDefault();
  task(event).catch((error) => show(error.message));
};

loginForm.addEventListener(
  'submit',
  reporting(
    (detail) => showLoginProblem({ detail }),
    () => logIn(element('username').value, element('password').value),
  ),
);
for (const button of element('accounts').querySelectorAll('button')) {
  const { account } = button.dataset;
  button.addEventListener(
    'click',
    reporting(
      (detail) => showLoginProblem({ detail }),
      () => logIn(account, `${account}-demo`),
    ),
  );
}
element('logout').addEventListener('click', reporting(addNote, logOut));

composer.addEventListener('submit', reporting(showFrameProblem, send));
frameField.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) composer.requestSubmit();
});
element('consumers').addEventListener('change', ({ target }) => {
  chooseConsumer(target.value);
  void connect();
});
element('actions').addEventListener('change', ({ target }) => writeFrame(target.value));
element('clear').addEventListener('click', () => {
  entries.replaceChildren();
  showEmpty(true);
});

offerChoices(element('consumers'), 'consumer', Object.keys(consumers), path);
chooseConsumer(path);
void connect();
const { ok, body: user } = await callApi('GET', '/api/auth/me');
showUser(ok ? user : null);
