// What calibration adds to a model and takes away again.
#ifndef QNT_CALIBRATE
#define QNT_CALIBRATE

include "QntShape.td"

def Qnt_ObserveOp : Qnt_ShapeOp<"observe"> {
  let summary = "a value that calibration looks at";
  let description = [{
    `out = x`. Whoever runs the model on samples collects statistics of the value under `id`.

    Constraints:
    * (C1) `out` has the type of `x`.
    * (C2) `id` is not empty.
  }];
  let arguments = (ins Qnt_Tensor:$x, StrAttr:$id);
}

#endif
