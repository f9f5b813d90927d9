import { setTimeout as pass } from 'node:timers/promises';

import {
  action,
  type ActionArguments,
  type ActionContext,
  ActionError,
  AuthenticationFailed,
  type Consumer,
  defineConsumer,
  MethodNotAllowed,
  NotAcceptable,
  NotAuthenticated,
  NotFound,
  ParseError,
  PermissionDenied,
  reply,
  Throttled,
  UnsupportedMediaType,
  ValidationError,
} from 'express-channels';

import type { Models } from './models.js';

type Context = ActionContext<undefined>;

const DETACHED = { detached: true };

/** The actions of `ws/actions`. */
export function actionConsumer({ sequelize, Thing }: Models): Consumer {
  const TRANSACTION = { transaction: sequelize };
  return defineConsumer({
    actions: {
      ...echoes,
      ...results,
      ...errors,
      ...frames,
      ...closes,
      slow,
      detached_slow: action(slow, DETACHED),
      detached_none: action(() => undefined, DETACHED),
      detached_raise: action(
        raise(() => new Error('oops')),
        DETACHED,
      ),
      detached_validation: action(
        raise(() => new ValidationError({ field: ['bad'] })),
        DETACHED,
      ),
      detached_needs_value: action(needsValue, DETACHED),
      create_then_fail: async (_ctx, { name = 'x' }) => {
        await Thing.create({ name: String(name) });
        throw new ValidationError('not rolled back');
      },
      atomic_create_then_fail: action(async ({ transaction }, { name = 'x' }) => {
        await Thing.create({ name: String(name) }, { transaction });
        throw new ValidationError('rolled back');
      }, TRANSACTION),
      atomic_create_two: action(async ({ transaction }) => {
        const pks: unknown[] = [];
        for (const name of ['a', 'b']) pks.push((await Thing.create({ name }, { transaction })).get('id'));
        return reply(pks, 201);
      }, TRANSACTION),
    },
  });
}

const echoes = {
  echo: async (_ctx: Context, args: ActionArguments) => Promise.resolve(reply(args)),
  sync_echo: (_ctx: Context, args: ActionArguments) => reply(args),
  strict: () => reply('strict'),
  needs_value: needsValue,
  renamed: function original() {
    return reply('renamed ok');
  },
};

const results = {
  returns_none: () => undefined,
  returns_dict: () => ({ never: 'sent' }),
  returns_list: () => [1, 200],
  returns_none_204: () => reply(null, 204),
  returns_data_204: () => reply({ a: 1 }, 204),
  returns_status: (_ctx: Context, { status = 200, data = null }: ActionArguments) => reply(data, Number(status)),
};

const errors = {
  raise_value_error: async () => Promise.reject(new Error('oops')),
  sync_raise_value_error: raise(() => new Error('oops')),
  raise_validation_dict: raise(() => new ValidationError({ field: ['bad'], nested: { x: ['y'] } })),
  raise_validation_list: raise(() => new ValidationError(['one', 'two'])),
  raise_validation_str: raise(() => new ValidationError('just text')),
  raise_validation_default: raise(() => new ValidationError()),
  raise_not_found: raise(() => new NotFound()),
  raise_not_found_detail: raise(() => new NotFound('Subscription not found')),
  raise_http404: raise(() => new NotFound('Not found')),
  raise_permission_denied: raise(() => new PermissionDenied()),
  raise_permission_denied_detail: raise(() => new PermissionDenied('not you')),
  raise_permission_denied_dict: raise(() => new PermissionDenied({ why: 'because' })),
  raise_not_authenticated: raise(() => new NotAuthenticated()),
  raise_authentication_failed: raise(() => new AuthenticationFailed()),
  raise_method_not_allowed: raise(() => new MethodNotAllowed('POST')),
  raise_throttled: raise(() => new Throttled(7)),
  raise_parse_error: raise(() => new ParseError()),
  raise_not_acceptable: raise(() => new NotAcceptable()),
  raise_unsupported_media: raise(() => new UnsupportedMediaType('text/x')),
  raise_api_exception: raise(() => new ActionError()),
  raise_api_exception_418: raise(() => new ActionError('teapot', { status: 418 })),
};

const frames = {
  three_replies: (ctx: Context) => {
    for (const data of [0, 1, 2]) ctx.reply(data, { status: 206 });
    return reply('done');
  },
  reply_defaults: (ctx: Context) => {
    ctx.reply(null, { requestId: null });
  },
  reply_with_errors: (ctx: Context) => {
    ctx.reply({ partial: true }, { status: 207, errors: ['w1', { w: 2 }] });
  },
  raw_send: (ctx: Context) => {
    ctx.send({ any: 'shape' });
  },
  send_bytes: (ctx: Context) => {
    ctx.send(Uint8Array.of(0, 1, 2));
  },
};

const closes = {
  close_plain: (ctx: Context) => {
    ctx.close();
  },
  close_code: (ctx: Context, { code = 4001 }: ActionArguments) => {
    ctx.close(Number(code));
  },
  close_then_reply: (ctx: Context) => {
    ctx.close(4002);
    return reply('after close');
  },
};

async function slow({ signal }: Context, { ms = 300, tag = null }: ActionArguments) {
  await pass(Number(ms), undefined, { signal });
  return reply({ tag });
}

function needsValue(_ctx: Context, args: ActionArguments) {
  if (!Object.hasOwn(args, 'value')) throw new ValidationError({ value: ['This field is required.'] });
  return reply({ value: args['value'] });
}

function raise(error: () => Error): () => never {
  return () => {
    throw error();
  };
}

/** `ws/keyed-by-type`: the name of the action is in another key. */
export const keyedByType = defineConsumer({
  actionName: ({ type = null, ...rest }) => {
    if (type === 'forbidden') throw new PermissionDenied('no such type for you');
    if (type !== null && typeof type !== 'string') throw new ParseError('Expected `type` to be a text.');
    return [type, rest];
  },
  actions: { echo: (_ctx, args) => reply(args) },
});
