import { Sequelize } from 'sequelize';

import * as sqlite from '../../../example-app/src/sqlite.js';

export const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite, storage: ':memory:', logging: false });
