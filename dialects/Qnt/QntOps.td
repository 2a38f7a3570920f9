// All ops of the dialect, by subject.
#ifndef QNT_OPS
#define QNT_OPS

include "QntDialect.td"
include "QntAttrs.td"
include "QntTypes.td"
include "QntElementwise.td"
include "QntShape.td"
include "QntControl.td"
include "QntReduce.td"
include "QntModel.td"
include "QntCache.td"
include "QntQuantize.td"
include "QntTransform.td"
include "QntCalibrate.td"
include "QntWeights.td"
include "QntKernels.td"
include "QntHost.td"

#endif
