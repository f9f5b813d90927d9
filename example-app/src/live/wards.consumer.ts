import { action, defineConsumer, modelObserver, permission } from 'express-channels';
import { z } from 'zod';
import { Patient } from '../models.js';
import { wards, wardsOf, type Ward } from '../roles.js';
import { signedIn, userOf } from './signed-in.js';

const args = z.object({ ward: z.enum(wards) });

/** Asked before each event too: who has left a ward hears no more of it. */
const ownWard = permission(({ scope, args: { ward } }) => wardsOf(userOf(scope)).some((one) => one === ward));

/** Tells the patients of a ward, then each change. Whoever makes it: a socket, the REST API, a job in this process. */
export function wardsConsumer() {
  const patients = modelObserver(Patient, {
    serialize: (patient) => patient.serialize(),
    groupsForSignal: ({ ward }) => [ward],
    groupsForConsumer: ({ ward }: { ward: Ward }) => [ward],
    snapshot: ({ ward }) => Patient.findAll({ where: { ward }, order: ['id'] }),
  });

  return defineConsumer({
    permissions: [signedIn],
    actions: {
      follow: action((ctx, { ward }) => patients.subscribe(ctx, { ward }, { snapshot: true }), {
        schema: args,
        permissions: [ownWard],
      }),
      unfollow: action((ctx, { ward }) => patients.unsubscribe(ctx, { ward }), { schema: args }),
    },
  });
}
