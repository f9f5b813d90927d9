import { DataTypes, Sequelize } from 'sequelize';

import * as sqlite from '../../example-app/src/sqlite.js';

/** The models of the test server, in a database that lives in memory. */
export function openModels() {
  const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
  const options = { timestamps: false };
  const Thing = sequelize.define(
    'Thing',
    {
      name: { type: DataTypes.STRING(64), allowNull: false },
      counter: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
    },
    options,
  );
  const User = sequelize.define(
    'User',
    {
      username: { type: DataTypes.STRING(150), allowNull: false, unique: true },
      email: { type: DataTypes.STRING, allowNull: false, defaultValue: '' },
    },
    options,
  );
  return { sequelize, Thing, User };
}

export type Models = ReturnType<typeof openModels>;
