import { avatar, byId, element, openForm, startPage } from './page.js';

const { live } = await startPage();
const list = byId('rooms');
/** Rooms and windows by their ids. */
const rooms = new Map();
const presences = new Map();

/** Keeps a map as the server has it. */
const keep = (rows) => ({
  snapshot(present) {
    rows.clear();
    for (const row of present) rows.set(row.id, row);
    show();
  },
  change(action, row) {
    if (action === 'delete') rows.delete(row.id ?? row.pk);
    else rows.set(row.id, row);
    show();
  },
});
live.subscribe('rooms', 'subscribe_to_rooms', {}, keep(rooms));
live.subscribe('rooms', 'subscribe_to_presences', {}, keep(presences));

function show() {
  const focused = document.activeElement?.getAttribute('href');
  const sorted = [...rooms.values()].sort((a, b) => a.name.localeCompare(b.name));
  list.replaceChildren(...sorted.map(roomItem));
  if (focused) list.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  byId('no-rooms').hidden = rooms.size > 0;
}

function roomItem({ id, name }) {
  const here = [...presences.values()].filter(({ room }) => room === id);
  const names = [...new Set(here.map(({ user }) => user.username))].sort();
  const link = element('a', { href: `/room?${new URLSearchParams({ name })}` }, element('strong', {}, name));
  link.append(
    element(
      'span',
      { className: 'here' },
      ...names.slice(0, 5).map(avatar),
      element('span', { className: 'hint' }, names.length === 0 ? 'Nobody here' : `${names.length} here`),
    ),
  );
  return element('li', {}, link);
}

byId('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('name').value.trim();
  byId('name-error').textContent = name === '' ? 'Type the name of a room.' : '';
  byId('name').setAttribute('aria-invalid', String(name === ''));
  if (name === '') byId('name').focus();
  else location.assign(`/room?${new URLSearchParams({ name })}`);
});
openForm(byId('enter'));
