import type { ChannelLayer } from '../layers/channel-layer.js';

/** An observer, as the channels that are open know it. */
export interface Watcher {
  /** From now on there are channels that may deliver what it observes. */
  start(): void;
  /** There are none any more. */
  stop(): void;
  /** Messages may have been lost on a bus. */
  gap(layer: ChannelLayer): void;
}

/** The bus of channels, and who hears of what goes wrong on it. */
interface OpenLayer {
  uses: number;
  readonly offGap: () => void;
  readonly onError: (error: unknown) => void;
}

const watchers = new Set<Watcher>();
const layers = new Map<ChannelLayer, OpenLayer>();

/**
 * Channels begin to use a bus; observers watch while there is one.
 *
 * @returns what ends it
 */
export function openLayer(layer: ChannelLayer, onError: (error: unknown) => void): () => void {
  const known = layers.get(layer);
  if (known !== undefined) known.uses += 1;
  else {
    const offGap = layer.onGap(() => {
      for (const watcher of watchers) watcher.gap(layer);
    });
    layers.set(layer, { uses: 1, offGap, onError });
    if (layers.size === 1) for (const watcher of watchers) watcher.start();
  }
  return () => {
    closeLayer(layer);
  };
}

function closeLayer(layer: ChannelLayer): void {
  const known = layers.get(layer);
  if (known === undefined) return;
  known.uses -= 1;
  if (known.uses > 0) return;
  known.offGap();
  layers.delete(layer);
  if (layers.size === 0) for (const watcher of watchers) watcher.stop();
}

/** An observer is made: it lives as long as the process, like the model that it observes. */
export function watch(watcher: Watcher): void {
  watchers.add(watcher);
  if (layers.size > 0) watcher.start();
}

/** Whether what is observed here has to be told to other processes. */
export function isShared(): boolean {
  for (const layer of layers.keys()) if (layer.shared) return true;
  return false;
}

/** Sends a message to a group in all other processes. That it may be lost is told by the bus, as a gap. */
export function tellOthers(group: string, message: string): void {
  for (const [layer, { onError }] of layers) if (layer.shared) layer.send(group, message).catch(onError);
}

/** Reports an error that belongs to no connection. */
export function reportError(error: unknown): void {
  for (const { onError } of layers.values()) onError(error);
}
