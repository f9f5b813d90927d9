import { Patient, User } from './models.js';
import { hashPassword } from './password.js';

const users = [
  { username: 'ada', email: 'ada@example.com', password: 'ada-demo', is_staff: true },
  { username: 'grace', email: 'grace@example.com', password: 'grace-demo' },
  { username: 'alan', email: 'alan@example.com', password: 'alan-demo' },
];

const patients = [
  { first_name: 'Marie', last_name: 'Curie', admission_date: '2026-11-02T08:30:00Z', dismissal_date: '2026-11-09T10:00:00Z' },
  { first_name: 'Rosalind', last_name: 'Franklin', admission_date: '2026-11-14T17:45:00Z', dismissal_date: null },
  { first_name: 'Pierre', last_name: 'Curie', admission_date: '2026-11-18T06:15:00Z', dismissal_date: null },
];

/** Fills an empty database with something to look at, and returns whether it did: one that has users is left as it is. */
export async function seed(): Promise<boolean> {
  if ((await User.count()) > 0) return false;
  for (const { password, ...user } of users) {
    await User.create({ ...user, password_hash: await hashPassword(password) });
  }
  for (const { admission_date, dismissal_date, ...name } of patients) {
    await Patient.create({
      ...name,
      admission_date: new Date(admission_date),
      dismissal_date: dismissal_date === null ? null : new Date(dismissal_date),
    });
  }
  return true;
}
