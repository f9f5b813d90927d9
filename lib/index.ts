export { dispatch, type DispatchOptions, type DispatchRequest, type DispatchResponse } from './http/dispatch.js';
export type { RequestBody } from './http/exchange.js';
export type { Handler, Next } from './http/handler.js';
export type { Application } from './http/application.js';
export type { Scope } from './auth/scope.js';
export type { AllowedOrigins } from './auth/origin.js';
export type { SessionStore } from './auth/login-session.js';
export type { BearerTokenOptions } from './auth/bearer-token.js';
export {
  type ActionRequest,
  allowAny,
  and,
  type ConnectRequest,
  expressPermission,
  isAuthenticated,
  not,
  or,
  type Permission,
  permission,
  type Verdict,
} from './auth/permissions.js';
export {
  type Action,
  action,
  type ActionArguments,
  type ActionHandler,
  type ActionOptions,
  type InTransaction,
  type ParsedActionOptions,
  Reply,
  reply,
  type TransactionSource,
} from './consumers/action.js';
export type { ActionContext, ConsumerContext, ReplyOptions } from './observers/consumer-context.js';
export type { Consumer, ErrorDetails } from './consumers/consumer.js';
export type { Frame } from './consumers/consumer.js';
export type { ReadActionName } from './consumers/action-consumer.js';
export { type ConsumerDefinition, defineConsumer } from './consumers/define-consumer.js';
export type { ModelContext } from './consumers/model-context.js';
export { type ModelConsumerDefinition, modelConsumer } from './consumers/model-consumer.js';
export type { SubscribeOptions } from './observers/subscriptions.js';
export {
  type DeliveredEvent,
  type ModelObserver,
  modelObserver,
  type ModelObserverOptions,
  type ViewOf,
} from './observers/model-observer.js';
export {
  type DeliveredSignal,
  type SignalObserver,
  signalObserver,
  type SignalObserverOptions,
} from './observers/signal-observer.js';
export type { AnyModel, NotifyOptions, RowKey } from './observers/notify.js';
export { crud, type CrudName } from './consumers/crud.js';
export { limitOffset, type LimitOffsetOptions, type Paginate, type Pagination } from './consumers/pagination.js';
export { keyset, type KeysetOptions } from './consumers/keyset.js';
export { streamedList, type StreamedListOptions } from './consumers/streamed-list.js';
export type { Rows } from './consumers/rows.js';
export { modelSerializer, type ModelSerializer, type UpdateOptions } from './serializers/serializer.js';
export type { Serialized, SerializerOptions } from './serializers/serializer-options.js';
export type { QueryOptions } from './serializers/model-fields.js';
export { toActionError } from './serializers/constraint-errors.js';
export type { GroupMessage } from './consumers/groups.js';
export type { StandardSchema } from './protocol/standard-schema.js';
export type { ChannelLayer, GroupReceiver } from './layers/channel-layer.js';
export { memoryLayer } from './layers/memory-layer.js';
export type { RedisClient } from './layers/redis-client.js';
export { type RedisLayer, redisLayer, type RedisLayerOptions } from './layers/redis-layer.js';
export { type MappedAction, type MappedActions, type MappedMethod, routeActions } from './consumers/mapped-actions.js';
export { viewAsConsumer, type ViewAsConsumerOptions } from './consumers/router-consumer.js';
export { type Channels, type CloseOptions, createChannels } from './server/channels.js';
export type { ChannelsOptions } from './server/channels-options.js';
export { demultiplexer } from './server/demultiplexer.js';
export type { Limits, RateLimit } from './server/limits.js';
export { CloseCode } from './protocol/close-code.js';
export {
  ActionError,
  type ActionErrorOptions,
  ActionTimeout,
  AuthenticationFailed,
  type ErrorDetail,
  MethodNotAllowed,
  NotAcceptable,
  NotAuthenticated,
  NotFound,
  ParseError,
  PermissionDenied,
  ResponseTooLarge,
  Throttled,
  UnsupportedMediaType,
  ValidationError,
} from './protocol/errors.js';
