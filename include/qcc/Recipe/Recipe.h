// Recipes: options of quantization in a file, with schemes of its own and overrides for tensors.
//
//   quantize: my3a8              # any option of the quantize section, by its name without dashes
//   head: w8
//   skip: ["*.router.*"]
//   schemes:
//     my3:
//       weight: {bits: 3, codebook: kmeans, block: 64, scale: f16, zero: none}
//       act: {bits: 8, per: token}
//   overrides:                   # the last that matches holds
//     - {match: "layers.0.*", quantize: w8a8}
//
// A recipe may come from anywhere: its size and depth are bounded, and it names no files but those
// that options name on the command line too.
#ifndef QCC_RECIPE_RECIPE_H
#define QCC_RECIPE_RECIPE_H

#include "qcc/Support/Scheme.h"
#include <string>
#include <utility>
#include <vector>

namespace qcc {

/// Tensors whose node or weight name the glob `match` fits are stored under `quantize`: a scheme,
/// keep, f32 or f16.
struct RecipeOverride {
  std::string match, quantize;
};

struct Recipe {
  std::vector<Scheme> schemes; ///< Scheme::Weight::Custom, with their names and defaults
  std::vector<RecipeOverride> overrides;
  /// Options in the order of the file, without dashes: "quantize", "w4a8". A list is several of the
  /// same name; a flag that is set has the value "true", one that is not is left out.
  std::vector<std::pair<std::string, std::string>> options;
  std::string sha256; ///< of the file's bytes, in hex
};

/// Parses a recipe; `name` stands in errors, with the line. Errors: QCC1541 (no recipe), QCC1003
/// (a scheme).
llvm::Expected<Recipe> parseRecipe(llvm::StringRef text, llvm::StringRef name);
/// Reads a recipe from a file. Errors: QCC1101, and those of parseRecipe.
llvm::Expected<Recipe> readRecipe(llvm::StringRef path);

} // namespace qcc
#endif
