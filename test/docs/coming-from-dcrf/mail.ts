export const sent: (readonly [from: string, to: string])[] = [];

export async function send(from: string, to: string): Promise<void> {
  sent.push([from, to]);
  return Promise.resolve();
}
