import { avatar, element } from './page.js';

const groupMs = 5 * 60 * 1_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

/** The messages of a room in their order, each once, however often and in whatever order they are told. */
export class MessageList {
  #list;
  #log;
  #me;
  /** Items by author and key: only the author chooses the key. */
  #items = new Map();

  /** @param log - what scrolls */
  constructor(list, log, me) {
    this.#list = list;
    this.#log = log;
    this.#me = me;
  }

  get size() {
    return this.#items.size;
  }

  /** The newest messages as the server has them; what came after them is here already. */
  showHistory(messages) {
    const ids = new Set(messages.map(({ id }) => id));
    const newest = Math.max(0, ...ids);
    for (const [name, item] of this.#items) {
      const id = Number(item.dataset.id ?? Infinity);
      if (id <= newest && !ids.has(id)) this.#remove(name);
    }
    for (const message of messages) this.show(message);
  }

  show({ id, key, text, created_at, user }) {
    const item = this.#item({ key, text, user });
    item.dataset.id = id;
    item.dataset.at = created_at;
    item.classList.remove('pending');
    const time = item.querySelector('time');
    time.dateTime = created_at;
    time.textContent = clock.format(new Date(created_at));
    this.#place(item, (other) => Number(other.dataset.id ?? Infinity) > id);
  }

  /** One that the server has not stored yet: below all others. */
  showPending({ key, text }) {
    const item = this.#item({ key, text, user: this.#me });
    item.classList.add('pending');
    item.dataset.at = new Date().toISOString();
    item.querySelector('time').textContent = 'Sending';
    this.#place(item, () => false);
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Tells of all that are pending why they are. */
  waiting(why) {
    for (const item of this.#list.querySelectorAll('.pending')) {
      item.querySelector('time').textContent = 'Waiting for the connection';
      item.title = why;
    }
  }

  remove({ key, user }) {
    this.#remove(`${user.id} ${key}`);
  }

  #remove(name) {
    this.#items.get(name)?.remove();
    this.#items.delete(name);
  }

  note(text) {
    const item = element('li', { className: 'note' }, text);
    // It stays behind the message that was the last one.
    item.dataset.id = [...this.#list.querySelectorAll('[data-id]')].at(-1)?.dataset.id ?? 0;
    this.#place(item, (other) => other.classList.contains('pending'));
  }

  #item({ key, text, user }) {
    const name = `${user.id} ${key}`;
    const known = this.#items.get(name);
    if (known !== undefined) return known;
    const head = element('p', { className: 'head' }, element('strong', {}, user.username), ' ', element('time'));
    const item = element('li', { className: 'message' }, avatar(user.username), head, element('p', { className: 'text' }, text));
    item.classList.toggle('mine', user.id === this.#me.id);
    item.dataset.user = user.id;
    this.#items.set(name, item);
    return item;
  }

  /** Puts an item before the first that belongs behind it, and leaves it alone if it is there already: moving it would announce it again. */
  #place(item, isBehind) {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    const atEnd = scrollHeight - scrollTop - clientHeight < 60;
    const next = [...this.#list.children].findLast((other) => other !== item && !isBehind(other))?.nextSibling;
    const before = next === undefined ? this.#list.firstChild : next;
    if (before !== item && (item.parentNode === null || item.nextSibling !== before)) this.#list.insertBefore(item, before);
    for (const one of [item, item.nextSibling]) if (one !== null) group(one);
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
  }
}

/** What follows a message of the same author within minutes needs no name; what begins a day has its date. */
function group(item) {
  const before = item.previousElementSibling;
  const { user, at } = item.dataset;
  const follows = user !== undefined && before?.dataset.user === user && new Date(at) - new Date(before.dataset.at) < groupMs;
  item.classList.toggle('follows', follows);
  const dayOf = (one) => one?.dataset.at && day.format(new Date(one.dataset.at));
  if (dayOf(item) !== undefined && dayOf(item) !== (dayOf(before) ?? day.format(new Date()))) item.dataset.day = dayOf(item);
  else delete item.dataset.day;
}
