import { Router, type Request, type RequestHandler } from 'express';
import { answerErrors, permissionDenied } from './errors.js';
import { findByPk } from './find-by-pk.js';
import { currentUser } from './login.js';
import { User } from './models.js';
import { hashPassword } from './password.js';
import { roles, wards, type Role, type Ward } from './roles.js';
import { choice, nullable, optional, text, validate, validatePartial } from './validation.js';

interface UserInput {
  username: string;
  email?: string;
  password?: string;
}
interface UserChange extends UserInput {
  role?: Role;
  ward?: Ward | null;
}

const fields = {
  username: text({ max: 150, pattern: [/^[\w.@+-]+$/, 'Only letters, digits and @ . + - _ are allowed.'] }),
  email: optional(text({ min: 0, max: 254, pattern: [/^([^\s@]+@[^\s@]+\.[^\s@]+)?$/, 'Enter a valid email address.'] })),
  password: optional(text({ min: 8, max: 1024 })),
};
/** Nobody chooses a role when signing up: administrators give it. */
const changes = { ...fields, role: optional(choice(roles)), ward: optional(nullable(choice(wards))) };

const withHash = async ({ password, ...values }: Partial<UserChange>) =>
  password === undefined ? values : { ...values, password_hash: await hashPassword(password) };

/** Users change themselves, but not their role; administrators change everybody. */
async function findChangeable(request: Request): Promise<User> {
  const me = currentUser(request);
  const user = await findByPk(User, request.params['pk']);
  if (user.id !== me.id && me.role !== 'admin') throw permissionDenied();
  return user;
}

async function change(request: Request, user: User, values: Partial<UserChange>): Promise<void> {
  const promotes = values.role !== undefined || values.ward !== undefined;
  if (promotes && currentUser(request).role !== 'admin') throw permissionDenied();
  await user.update(await withHash(values));
}

const create: RequestHandler = async (request, response) => {
  const input = validate<UserInput>(fields, request.body);
  const user = await User.create({ username: input.username, ...(await withHash(input)) });
  response.status(201).json(user.serialize());
};

export const usersRouter = Router();

usersRouter.get('/', async (_request, response) => {
  const users = await User.findAll({ order: ['id'] });
  response.json(users.map((user) => user.serialize()));
});

usersRouter.post('/', create);
usersRouter.put('/', create);

usersRouter.get('/:pk', async (request, response) => {
  const user = await findByPk(User, request.params.pk);
  response.json(user.serialize());
});

usersRouter.put('/:pk', async (request, response) => {
  const user = await findChangeable(request);
  await change(request, user, validate<UserChange>(changes, request.body));
  response.json(user.serialize());
});

usersRouter.patch('/:pk', async (request, response) => {
  const user = await findChangeable(request);
  await change(request, user, validatePartial<UserChange>(changes, request.body));
  response.json(user.serialize());
});

usersRouter.delete('/:pk', async (request, response) => {
  const user = await findChangeable(request);
  await user.destroy();
  response.sendStatus(204);
});

usersRouter.use(answerErrors);
