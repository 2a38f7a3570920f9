func.func @cube_root(%x: f32) -> f32 {
  %0 = math.cbrt %x : f32
  return %0 : f32
}
