import { Router } from 'express';
import { answerErrors } from './errors.js';
import { findByPk } from './find-by-pk.js';
import { requireLogin } from './login.js';
import { Patient } from './models.js';
import { dateTime, nullable, optional, text, validate, validatePartial } from './validation.js';

interface PatientInput {
  first_name: string;
  last_name: string;
  admission_date: Date;
  dismissal_date?: Date | null;
}

const fields = {
  first_name: text({ max: 240 }),
  last_name: text({ max: 240 }),
  admission_date: dateTime,
  dismissal_date: optional(nullable(dateTime)),
};

export const patientsRouter = Router();

patientsRouter.use(requireLogin);

/** All patients, or those with a `?last_name=`, which may be given several times. */
patientsRouter.get('/', async (request, response) => {
  const names = [request.query['last_name']].flat().filter((name) => typeof name === 'string');
  const patients = await Patient.findAll({ order: ['id'], where: names.length > 0 ? { last_name: names } : {} });
  response.json(patients.map((patient) => patient.serialize()));
});

patientsRouter.post('/', async (request, response) => {
  const patient = await Patient.create(validate<PatientInput>(fields, request.body));
  response.status(201).json(patient.serialize());
});

patientsRouter.get('/:pk', async (request, response) => {
  const patient = await findByPk(Patient, request.params.pk);
  response.json(patient.serialize());
});

patientsRouter.put('/:pk', async (request, response) => {
  const patient = await findByPk(Patient, request.params.pk);
  await patient.update(validate<PatientInput>(fields, request.body));
  response.json(patient.serialize());
});

patientsRouter.patch('/:pk', async (request, response) => {
  const patient = await findByPk(Patient, request.params.pk);
  await patient.update(validatePartial<PatientInput>(fields, request.body));
  response.json(patient.serialize());
});

patientsRouter.delete('/:pk', async (request, response) => {
  const patient = await findByPk(Patient, request.params.pk);
  await patient.destroy();
  response.sendStatus(204);
});

patientsRouter.use(answerErrors);
