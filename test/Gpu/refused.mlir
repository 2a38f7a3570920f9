// RUN: not qcc-opt %s --qcc-distribute-lanes --split-input-file 2>&1 | FileCheck %s

// CHECK: error: 'vector.bitcast' op has no form for threads
func.func @bits(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %x = llvm.load %args : !llvm.ptr -> vector<4xi32>
  %y = vector.bitcast %x : vector<4xi32> to vector<16xi8>
  llvm.store %y, %args : vector<16xi8>, !llvm.ptr
  %c0 = arith.constant 0 : i64
  return %c0 : i64
}

// -----

// CHECK: error: 'llvm.load' op gives a vector that threads cannot share
func.func @odd(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %x = llvm.load %args : !llvm.ptr -> vector<24xi32>
  %c0 = arith.constant 0 : i64
  return %c0 : i64
}
