import type { RequestHandler } from 'express';

import { sequelize } from './database.js';

/** The user whose name is the token; everybody else is anonymous. */
export const tokenAuth: RequestHandler = async (req, _res, next) => {
  const [, username] = (req.get('authorization') ?? '').split(' ');
  const user = username === undefined ? null : await sequelize.model('User').findOne({ where: { username } });
  if (user !== null) Object.assign(req, { user });
  next();
};

/** A guard as Express apps have it. */
export const requireLogin: RequestHandler = (req, res, next) => {
  if (req.user) next();
  else res.sendStatus(401);
};
