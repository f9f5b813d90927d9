import { memoryLayer } from 'express-channels';

import { describeChannelLayer } from './conformance.js';

describeChannelLayer('memoryLayer()', false, memoryLayer);
