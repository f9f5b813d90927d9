import type { ChannelLayer, GroupReceiver } from './channel-layer.js';

/** The channel layer of a single process: groups are sets in memory. Nothing can get lost, so no gap is ever told. */
export function memoryLayer(): ChannelLayer {
  const groups = new Map<string, Set<GroupReceiver>>();
  return {
    shared: false,
    join(group, receiver) {
      const receivers = groups.get(group) ?? new Set();
      groups.set(group, receivers.add(receiver));
      return Promise.resolve();
    },
    leave(group, receiver) {
      const receivers = groups.get(group);
      receivers?.delete(receiver);
      if (receivers?.size === 0) groups.delete(group);
      return Promise.resolve();
    },
    send(group, message) {
      const receivers = groups.get(group);
      if (receivers !== undefined) {
        // Who joins from now on has missed it.
        const present = [...receivers];
        queueMicrotask(() => {
          for (const receive of present) if (receivers.has(receive)) receive(message);
        });
      }
      return Promise.resolve();
    },
    onGap() {
      return () => undefined;
    },
    close() {
      groups.clear();
      return Promise.resolve();
    },
  };
}
