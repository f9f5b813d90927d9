import { Router, type Request, type RequestHandler } from 'express';
import { answerErrors, notFound, permissionDenied, validationError } from './errors.js';
import { findByPk } from './find-by-pk.js';
import { currentUser } from './login.js';
import { Patient } from './models.js';
import { leads, wards, wardsOf, type Ward } from './roles.js';
import { choice, dateTime, nullable, optional, text, validate, validatePartial } from './validation.js';

interface PatientInput {
  first_name: string;
  last_name: string;
  ward?: Ward;
  note?: string;
  admission_date: Date;
  dismissal_date?: Date | null;
}

const fields = {
  first_name: text({ max: 240 }),
  last_name: text({ max: 240 }),
  ward: optional(choice(wards)),
  note: optional(text({ min: 0, max: 500 })),
  admission_date: dateTime,
  dismissal_date: optional(nullable(dateTime)),
};

/** What only those who lead a ward change. */
const decisions: ReadonlySet<string> = new Set(['ward', 'admission_date', 'dismissal_date']);

const requireWard: RequestHandler = (request, _response, next) => {
  if (wardsOf(currentUser(request)).length === 0) throw permissionDenied();
  next();
};

const requireLeader: RequestHandler = (request, _response, next) => {
  if (!leads(currentUser(request))) throw permissionDenied();
  next();
};

/** Patients of other wards do not exist for a user. */
async function findPatient(request: Request): Promise<Patient> {
  const patient = await findByPk(Patient, request.params['pk']);
  if (!wardsOf(currentUser(request)).includes(patient.ward)) throw notFound();
  return patient;
}

async function change(request: Request, patient: Patient, values: Partial<PatientInput>): Promise<void> {
  patient.set(values);
  const changed = patient.changed() || [];
  if (!leads(currentUser(request)) && changed.some((name) => decisions.has(name))) throw permissionDenied();
  await patient.save();
}

export const patientsRouter = Router();

patientsRouter.use(requireWard);

/** All patients of one's own wards, or those with a `?last_name=`, which may be given several times. */
patientsRouter.get('/', async (request, response) => {
  const names = [request.query['last_name']].flat().filter((name) => typeof name === 'string');
  const ward = [...wardsOf(currentUser(request))];
  const patients = await Patient.findAll({ order: ['id'], where: names.length > 0 ? { ward, last_name: names } : { ward } });
  response.json(patients.map((patient) => patient.serialize()));
});

/** Admits to one's own ward, unless another is named. */
patientsRouter.post('/', requireLeader, async (request, response) => {
  const user = currentUser(request);
  const input = validate<PatientInput>(fields, request.body);
  const ward = input.ward ?? user.ward;
  if (ward === null) throw validationError({ ward: ['This field is required.'] });
  if (!wardsOf(user).includes(ward)) throw permissionDenied();
  const patient = await Patient.create({ ...input, ward });
  response.status(201).json(patient.serialize());
});

patientsRouter.get('/:pk', async (request, response) => {
  const patient = await findPatient(request);
  response.json(patient.serialize());
});

patientsRouter.put('/:pk', async (request, response) => {
  const patient = await findPatient(request);
  await change(request, patient, validate<PatientInput>(fields, request.body));
  response.json(patient.serialize());
});

patientsRouter.patch('/:pk', async (request, response) => {
  const patient = await findPatient(request);
  await change(request, patient, validatePartial<PatientInput>(fields, request.body));
  response.json(patient.serialize());
});

patientsRouter.delete('/:pk', requireLeader, async (request, response) => {
  const patient = await findPatient(request);
  await patient.destroy();
  response.sendStatus(204);
});

patientsRouter.use(answerErrors);
