import { Patient, User } from './models.js';
import { hashPassword } from './password.js';

const users = [
  { username: 'ada', email: 'ada@example.com', password: 'ada-demo', role: 'admin', ward: null },
  { username: 'grace', email: 'grace@example.com', password: 'grace-demo', role: 'doctor', ward: 'North' },
  { username: 'alan', email: 'alan@example.com', password: 'alan-demo', role: 'nurse', ward: 'North' },
  { username: 'florence', email: 'florence@example.com', password: 'florence-demo', role: 'nurse', ward: 'South' },
] as const;

const patients = [
  {
    first_name: 'Marie',
    last_name: 'Curie',
    ward: 'North',
    note: 'Discharged in good health.',
    admission_date: '2026-11-02T08:30:00Z',
    dismissal_date: '2026-11-09T10:00:00Z',
  },
  {
    first_name: 'Rosalind',
    last_name: 'Franklin',
    ward: 'North',
    note: 'X-ray this afternoon.',
    admission_date: '2026-11-14T17:45:00Z',
  },
  {
    first_name: 'Pierre',
    last_name: 'Curie',
    ward: 'North',
    note: 'Broken leg, in traction.',
    admission_date: '2026-11-18T06:15:00Z',
  },
  {
    first_name: 'Mary',
    last_name: 'Anning',
    ward: 'South',
    note: 'Fell from a cliff. Bed rest.',
    admission_date: '2026-11-16T11:20:00Z',
  },
  { first_name: 'Emil', last_name: 'Fischer', ward: 'South', note: 'Burnt hand.', admission_date: '2026-11-19T14:05:00Z' },
  { first_name: 'Dorothy', last_name: 'Hodgkin', ward: 'West', note: 'Arthritis.', admission_date: '2026-11-17T09:00:00Z' },
] as const;

/** Fills an empty database with something to look at, and returns whether it did: one that has users is left as it is. */
export async function seed(): Promise<boolean> {
  if ((await User.count()) > 0) return false;
  for (const { password, ...user } of users) {
    await User.create({ ...user, password_hash: await hashPassword(password) });
  }
  for (const patient of patients) {
    const dismissal_date = 'dismissal_date' in patient ? new Date(patient.dismissal_date) : null;
    await Patient.create({ ...patient, admission_date: new Date(patient.admission_date), dismissal_date });
  }
  return true;
}
