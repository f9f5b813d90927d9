import type { User } from './models.js';

export const wards = ['North', 'South', 'West'] as const;
export type Ward = (typeof wards)[number];

export const roles = ['admin', 'doctor', 'nurse', 'guest'] as const;
export type Role = (typeof roles)[number];

// Who may do what with patients, over HTTP and over sockets alike:
//
//            sees and edits       admits, moves, dismisses, deletes
//   admin    every ward           every ward
//   doctor   their own ward       their own ward
//   nurse    their own ward       –
//   guest    –                    –

/** The wards whose patients a user sees. */
export function wardsOf({ role, ward }: User): readonly Ward[] {
  if (role === 'admin') return wards;
  return role === 'guest' || ward === null ? [] : [ward];
}

/** Whether a user admits, moves, dismisses and deletes the patients that they see. */
export function leads({ role }: User): boolean {
  return role === 'admin' || role === 'doctor';
}
