// The table of all operators, by domain and name.
#include "OpTable.h"

using namespace qcc;
using namespace qcc::import;

const OpEntry *qcc::import::findOp(StringRef domain, StringRef name) {
  static const llvm::StringMap<const OpEntry *> table = [] {
    llvm::StringMap<const OpEntry *> map;
    for (auto family : {elementwiseOps(),
                        activationOps(),
                        shapeOps(),
                        slicingOps(),
                        resizeOps(),
                        indexingOps(),
                        reductionOps(),
                        contractionOps(),
                        convolutionOps(),
                        normalisationOps(),
                        attentionOps(),
                        groupedAttentionOps(),
                        quantizeOps(),
                        fewBitsOps(),
                        expertOps(),
                        codeOps(),
                        controlOps(),
                        loopOps(),
                        recurrentOps(),
                        lossOps(),
                        samplingOps(),
                        signalOps(),
                        unfoldingOps(),
                        causalConvolutionOps(),
                        fusedConvolutionOps(),
                        linearAttentionOps(),
                        hyperConnectionOps(),
                        rotaryOps(),
                        positionBiasOps()})
      for (const OpEntry &entry : family)
        map[std::string(entry.domain) + "/" + entry.name] = &entry;
    return map;
  }();
  return table.lookup((domain + "/" + name).str());
}
