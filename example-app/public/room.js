import { RequestError } from './live.js';
import { MessageList } from './message-list.js';
import { avatar, byId, element, openForm, startPage } from './page.js';

const name = new URLSearchParams(location.search).get('name')?.trim() ?? '';
if (name === '') location.replace('/');
document.title = `${name} · express-channels`;
byId('room-name').textContent = name;

const { user, live } = await startPage();
const log = byId('log');
const list = new MessageList(byId('messages'), log, user);
let room;

// Subscriptions are made again after a reconnect, in this order: the room, its messages, who is there.
live.subscribe('rooms', 'open_room', { name }, { ready: enter, refused: showProblem });

function enter(opened) {
  if (room !== undefined) return;
  room = opened;
  const args = { pk: room.id };
  const refused = showProblem;
  live.subscribe('rooms', 'subscribe_to_messages_in_room', args, { ready: readHistory, change: showMessage, refused });
  live.subscribe('rooms', 'join_room', args, { snapshot: showPresences, change: changePresence, refused });
}

// Messages

/** What is read after the subscription, together with what it tells, is everything. */
async function readHistory() {
  try {
    const { messages } = await live.request('rooms', 'retrieve', { pk: room.id });
    list.showHistory(messages);
    byId('empty').hidden = list.size > 0;
    log.setAttribute('aria-busy', 'false');
    await sendOutbox();
  } catch (error) {
    // Without a connection it is read again when there is one.
    if (error.reason === 'refused' || !(error instanceof RequestError)) showProblem(error);
  }
}

function showMessage(action, message) {
  if (action === 'delete') list.remove(message);
  else list.show(message);
  byId('empty').hidden = list.size > 0;
}

/** Messages that the server has not stored yet; they outlive a reload. */
const outboxName = `outbox ${user.id} ${name}`;
let outbox = JSON.parse(sessionStorage.getItem(outboxName) ?? '[]');
let sending = false;
for (const message of outbox) list.showPending(message);

function keepOutbox(messages) {
  outbox = messages;
  sessionStorage.setItem(outboxName, JSON.stringify(outbox));
}

/** One after the other. Each has a key, so that one whose answer was lost is sent again and stored once. */
async function sendOutbox() {
  if (sending || room === undefined) return;
  sending = true;
  try {
    while (outbox.length > 0) await sendFirst(outbox[0]);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    list.waiting(error.message);
  } finally {
    sending = false;
  }
}

async function sendFirst({ key, text }) {
  let answer;
  try {
    answer = await live.request('rooms', 'create_message', { pk: room.id, key, message: text });
  } catch (error) {
    if (error.reason !== 'refused') throw error;
    list.remove({ key, user });
    byId('message').value ||= text;
    showProblem(error);
  }
  keepOutbox(outbox.filter((message) => message.key !== key));
  if (answer !== undefined) list.show(answer);
}

/** `crypto.randomUUID` is missing where a page comes without TLS from another machine. */
const newKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((number) => number.toString(36)).join('');

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId('message').value.trim();
  if (text === '') return;
  byId('composer').reset();
  showProblem({ message: '' });
  byId('empty').hidden = true;
  const message = { key: newKey(), text };
  keepOutbox([...outbox, message]);
  list.showPending(message);
  void sendOutbox();
});
openForm(byId('composer'));

function showProblem({ message }) {
  byId('problem').textContent = message;
}

// Who is here

/** Windows by their ids: a user may have several. */
const presences = new Map();

const namesHere = () => new Set([...presences.values()].map((presence) => presence.user.username));

function showPresences(rows) {
  presences.clear();
  for (const row of rows) presences.set(row.id, row);
  showPeople();
}

function changePresence(action, row) {
  const { id, user: who } = presences.get(row.id) ?? row;
  const before = namesHere().has(who.username);
  if (action === 'delete') presences.delete(id);
  else presences.set(id, row);
  const after = namesHere().has(who.username);
  if (before === after) return;
  if (who.id !== user.id) list.note(`${who.username} ${after ? 'joined' : 'left'}`);
  showPeople();
}

function showPeople() {
  const names = [...namesHere()].sort();
  byId('count').textContent = names.length;
  byId('people').replaceChildren(
    ...names.map((one) => element('li', {}, avatar(one), element('span', {}, one === user.username ? `${one} (you)` : one))),
  );
}
