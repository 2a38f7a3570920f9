// Products go in the register tiles that a table of costs has as the fastest, where the table is of the level.
// RUN: split-file %s %t
// RUN: qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3 costs=%t/tall.json" | FileCheck %s --check-prefix=TALL
// RUN: qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3 costs=%t/wide.json" | FileCheck %s --check-prefix=WIDE
// RUN: qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3" > %t/shipped.mlir
// RUN: qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3 costs=%t/other.json" | diff - %t/shipped.mlir
// RUN: not qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3 costs=%t/broken.json" 2>&1 | FileCheck %s --check-prefix=BROKEN
// RUN: not qcc-opt %t/layer.mlir "--qcc-lower-kernels=level=x86-64-v3 costs=%t/none.json" 2>&1 | FileCheck %s --check-prefix=NONE

// Seven rows of one panel; for one row three panels.
// TALL-DAG: func.func private @layer.tile7x16(
// TALL-DAG: func.func private @layer.tile4x16(
// TALL-DAG: func.func private @layer.tile1x48(
// TALL-NOT: tile3x32

// WIDE-DAG: func.func private @layer.tile3x32(
// WIDE-DAG: func.func private @layer.tile2x32(
// WIDE-DAG: func.func private @layer.tile1x48(
// WIDE-NOT: tile7x

// BROKEN: error: QCC1874: {{.*}}broken.json: tile 0 lacks a scheme, a positive m, rows, panels or gops
// NONE: error: QCC1101: {{.*}}none.json

//--- layer.mlir
!w = !qnt.q<[33, 70], f32, tensor, scale f32, layout panel16_f32>
qnt.kernel @layer "linear" dims 1 {
^bb0(%x: tensor<?x70xf32, #qnt.dims<[d0, 70]>>, %w: !w):
  %0 = qnt.linear %x, %w : (tensor<?x70xf32, #qnt.dims<[d0, 70]>>, !w) -> tensor<?x33xf32, #qnt.dims<[d0, 33]>>
  qnt.yield %0 : tensor<?x33xf32, #qnt.dims<[d0, 33]>>
}
//--- tall.json
{"schema": "qcc.costs/1", "target": "x86-64-v3", "source": "measured", "layers": [], "tiles": [
  {"scheme": "f32", "m": 1, "rows": 1, "panels": 3, "gops": 10},
  {"scheme": "f32", "m": 8, "rows": 7, "panels": 1, "gops": 30},
  {"scheme": "f32", "m": 8, "rows": 3, "panels": 2, "gops": 20}]}
//--- wide.json
{"schema": "qcc.costs/1", "target": "x86-64-v3", "source": "measured", "layers": [], "tiles": [
  {"scheme": "f32", "m": 1, "rows": 1, "panels": 3, "gops": 10},
  {"scheme": "f32", "m": 8, "rows": 7, "panels": 1, "gops": 20},
  {"scheme": "f32", "m": 8, "rows": 3, "panels": 2, "gops": 30}]}
//--- other.json
{"schema": "qcc.costs/1", "target": "x86-avx512-vnni", "source": "measured", "layers": [], "tiles": [
  {"scheme": "f32", "m": 8, "rows": 7, "panels": 1, "gops": 20}]}
//--- broken.json
{"schema": "qcc.costs/1", "target": "x86-64-v3", "source": "measured", "layers": [], "tiles": [
  {"scheme": "f32", "m": 8, "rows": 7, "panels": 0, "gops": 20}]}
