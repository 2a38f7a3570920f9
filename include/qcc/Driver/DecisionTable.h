// What was decided about each weight, as rows of the report.
#ifndef QCC_DRIVER_DECISIONTABLE_H
#define QCC_DRIVER_DECISIONTABLE_H

#include "qcc/Driver/Allocate.h"
#include "qcc/Quality/Report.h"

namespace qcc {

/// A weight that was allocated; `result` (may be null) is what its codes came to.
quality::TensorReport tensorReport(const WeightChoice &choice, const WeightReport *result,
                                   const MethodPlan &plan);
/// A weight under the one scheme that was asked for.
quality::TensorReport tensorReport(const WeightReport &weight, const MethodPlan &plan);

} // namespace qcc
#endif
