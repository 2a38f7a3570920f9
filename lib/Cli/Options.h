// What the parsers of options share.
#ifndef QCC_LIB_CLI_OPTIONS_H
#define QCC_LIB_CLI_OPTIONS_H

#include "qcc/Cli/Context.h"
#include "qcc/Support/Diagnostics.h"
#include <optional>

namespace qcc::cli {

inline llvm::Error badValue(llvm::StringRef option, llvm::StringRef value, llvm::StringRef help) {
  return makeError(Diag::BadOptionValue, "", (option + " '" + value + "' is not understood").str(),
                   {}, help.str());
}

inline llvm::Error later(const llvm::Twine &what) {
  return makeError(Diag::NotAvailable, "", (what + " is not available in this version").str());
}

/// One of a few words, or QCC1006.
llvm::Error choose(const Args &args, llvm::StringRef option, llvm::ArrayRef<const char *> words,
                   std::string &value);

/// --device: the index of a GPU, or none for the CPU.
llvm::Expected<std::optional<uint32_t>> parseDevice(const Args &args);

/// --quantize and everything about it. With `consent` schemes that ruin a model need a measurement
/// or --accept=none.
llvm::Error parseQuantize(const Args &args, const Context &context, bool consent,
                          QuantizeRequest &request);
/// --quantize as the rows of a table: schemes without regard to what would choose among them.
llvm::Error parseSweepSchemes(const Args &args, const Context &context, QuantizeRequest &request);
/// Canonical options of a QuantizeRequest: no paths, files by the hash of their bytes.
llvm::Error quantizeOptions(const QuantizeRequest &request, std::vector<std::string> &options);

/// `option` names data, --ctx its windows, `samples` (may be empty) the option that bounds them.
llvm::Expected<DataRequest> parseData(const Args &args, llvm::StringRef option,
                                      llvm::StringRef samples);

/// Quantizes on data into `folder`: the compile of the .qnt that is there then. `report` must
/// outlive it.
llvm::Expected<CompileRequest> quantizeInto(llvm::StringRef folder, const CompileRequest &request,
                                            const Context &context,
                                            quality::QuantizeReport &report);
/// Compiles; what needs runs is quantized into a temporary folder first.
llvm::Error compileWithRuns(const CompileRequest &request, const Context &context);

} // namespace qcc::cli
#endif
