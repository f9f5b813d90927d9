/** What is exported, by concept: the page, what it is about, where more is said, and its names in order. Each name stands once. */
export const concepts = [
  {
    page: 'server',
    title: 'Server',
    about: 'Makes an Express application live: routes, upgrades, options, shutdown.',
    guide: 'SERVER.md',
    from: 'lib/index.ts',
    names: words(`
      createChannels Channels ChannelsOptions Limits RateLimit AllowedOrigins BearerTokenOptions SessionStore CloseOptions
      CloseCode demultiplexer Application
    `),
  },
  {
    page: 'routers',
    title: 'Routers',
    about: 'Express routers, applications and handlers as consumers; one request in process.',
    guide: 'ROUTERS.md',
    from: 'lib/index.ts',
    names: words(`
      viewAsConsumer ViewAsConsumerOptions routeActions MappedActions MappedAction MappedMethod dispatch DispatchRequest
      DispatchOptions DispatchResponse RequestBody Handler Next
    `),
  },
  {
    page: 'consumers',
    title: 'Consumers and actions',
    about: 'Consumers of your own: actions, replies, schemas, groups.',
    guide: 'CONSUMERS.md',
    from: 'lib/index.ts',
    names: words(`
      defineConsumer ConsumerDefinition action ActionOptions ParsedActionOptions ActionHandler Action ActionArguments reply
      Reply ActionContext ConsumerContext ReplyOptions InTransaction TransactionSource GroupMessage StandardSchema
      ReadActionName Frame Consumer ErrorDetails
    `),
  },
  {
    page: 'models',
    title: 'Models',
    about: 'Sequelize models as consumers: serializers, CRUD, pages.',
    guide: 'MODELS.md',
    from: 'lib/index.ts',
    names: words(`
      modelConsumer ModelConsumerDefinition ModelContext crud CrudName modelSerializer SerializerOptions ModelSerializer
      Serialized QueryOptions UpdateOptions limitOffset LimitOffsetOptions keyset KeysetOptions Pagination Paginate Rows
      streamedList StreamedListOptions toActionError
    `),
  },
  {
    page: 'observers',
    title: 'Observers',
    about: 'Committed changes of models, and signals, as events.',
    guide: 'OBSERVERS.md',
    from: 'lib/index.ts',
    names: words(`
      modelObserver ModelObserverOptions ModelObserver DeliveredEvent ViewOf signalObserver SignalObserverOptions
      SignalObserver DeliveredSignal SubscribeOptions AnyModel NotifyOptions RowKey
    `),
  },
  {
    page: 'permissions',
    title: 'Permissions',
    about: 'Who may connect, act and receive.',
    guide: 'LOGIN.md',
    from: 'lib/index.ts',
    names: words(`
      permission Permission Verdict ActionRequest ConnectRequest isAuthenticated allowAny expressPermission and or not Scope
    `),
  },
  {
    page: 'layers',
    title: 'Channel layers',
    about: 'Groups within one process, and across processes.',
    guide: 'LAYERS.md',
    from: 'lib/index.ts',
    names: words(`
      memoryLayer redisLayer RedisLayerOptions RedisLayer RedisClient ChannelLayer GroupReceiver
    `),
  },
  {
    page: 'errors',
    title: 'Errors',
    about: 'What an action throws in order to be answered with it.',
    guide: 'how-to/errors.md',
    from: 'lib/index.ts',
    names: words(`
      ActionError ActionErrorOptions ErrorDetail ParseError ValidationError NotAuthenticated AuthenticationFailed
      PermissionDenied NotFound MethodNotAllowed NotAcceptable UnsupportedMediaType Throttled ActionTimeout ResponseTooLarge
    `),
  },
  {
    page: 'testing',
    title: 'Testing',
    about: 'The in-memory client of `express-channels/testing`.',
    guide: 'how-to/testing.md',
    from: 'lib/testing.ts',
    names: words(`
      connect TestClient ConnectOptions ConsumerConnectOptions TestScope TestFrame HandshakeRefused
    `),
  },
];

function words(text) {
  return text.trim().split(/\s+/);
}
