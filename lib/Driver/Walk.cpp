// The walk: cut a piece, compile it, run it on every sample, keep what lives on.
#include "qcc/Driver/Walk.h"
#include "qcc/Support/Diagnostics.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

Walk::Walk(const LoadedModel &model, func::FuncOp function, size_t count, SampleInputs samples,
           PieceOptions options)
    : model(model), function(function), count(count), inputs(std::move(samples)),
      options(std::move(options)) {}
Walk::~Walk() = default;

/// Results of the piece that ops outside of it will read, beyond the wanted ones.
SmallVector<Value> Walk::liveAfter(const Piece &piece, ArrayRef<Value> wanted) const {
  SmallVector<Value> live;
  for (Operation *op : piece.ops)
    for (Value result : op->getResults()) {
      bool read = llvm::any_of(result.getUsers(), [&](Operation *user) {
        return !piece.ops.contains(user) && !done.contains(user) &&
               !user->hasTrait<OpTrait::IsTerminator>();
      });
      if (read && !llvm::is_contained(wanted, result) && !qnt::isConstantValue(result) &&
          isa<RankedTensorType>(result.getType()))
        live.push_back(result);
    }
  return live;
}

void Walk::dropDead() {
  SmallVector<Value> dead;
  for (auto &[value, tensors] : kept)
    if (llvm::all_of(value.getUsers(), [&](Operation *user) { return done.contains(user); }))
      dead.push_back(value);
  for (Value value : dead)
    kept.erase(value);
}

namespace {

/// A session over a piece, and its outputs as views.
class PieceRun {
public:
  static Expected<std::unique_ptr<PieceRun>> create(std::unique_ptr<data::RuntimeModel> model) {
    auto run = std::make_unique<PieceRun>();
    run->model = std::move(model);
    qcc_error error = {};
    if (qcc_session_create(run->model->handle, 0, run->model->pool, nullptr, &run->session, &error))
      return data::runtimeError(error, "calibration");
    return run;
  }
  ~PieceRun() { qcc_session_destroy(session); }

  Expected<ArrayRef<qcc_tensor>> run(ArrayRef<qcc_tensor> in) {
    out.assign(model->outputs.size(), {});
    qcc_error error = {};
    if (qcc_session_run(session, in.data(), in.size(), out.data(), out.size(), &error))
      return data::runtimeError(error, "calibration");
    return ArrayRef<qcc_tensor>(out);
  }

private:
  std::unique_ptr<data::RuntimeModel> model;
  qcc_session *session = nullptr;
  std::vector<qcc_tensor> out;
};

} // namespace

Error Walk::compute(ArrayRef<Value> wanted,
                    llvm::function_ref<Error(size_t, ArrayRef<qcc_tensor>)> visit) {
  Piece piece = cutPiece(function, wanted, [&](Value value) { return kept.contains(value); });
  SmallVector<Value> live = liveAfter(piece, wanted);
  // What is wanted and neither made here nor known is an argument, which a sample gives.
  SmallVector<Value> made;
  for (Value value : wanted)
    if (value.getDefiningOp() && piece.ops.contains(value.getDefiningOp()))
      made.push_back(value);
  size_t wantedMade = made.size();
  llvm::append_range(made, live);
  piece.outputs = made;
  std::unique_ptr<PieceRun> run;
  if (!made.empty()) {
    auto compiled = compilePiece(model, function, piece, options);
    if (!compiled)
      return compiled.takeError();
    auto created = PieceRun::create(std::move(*compiled));
    if (!created)
      return created.takeError();
    run = std::move(*created);
  }
  std::vector<std::unique_ptr<SampleTensors>> stores;
  for (size_t i = 0; i < made.size(); ++i) {
    auto store = SampleTensors::create(options.folder);
    if (!store)
      return store.takeError();
    stores.push_back(std::move(*store));
  }
  for (size_t sample = 0; sample < count; ++sample) {
    auto given = inputs(sample);
    if (!given)
      return given.takeError();
    std::vector<qcc_tensor> in;
    for (const data::HostTensor &tensor : *given)
      in.push_back(data::viewOf(tensor));
    for (Value input : piece.inputs) {
      auto view = kept[input]->view(sample);
      if (!view)
        return view.takeError();
      in.push_back(*view);
    }
    ArrayRef<qcc_tensor> out;
    if (run) {
      auto results = run->run(in);
      if (!results)
        return results.takeError();
      out = *results;
    }
    SmallVector<qcc_tensor> shown;
    for (size_t i = 0, next = 0; i < wanted.size(); ++i) {
      if (auto argument = dyn_cast<BlockArgument>(wanted[i]))
        shown.push_back(in[argument.getArgNumber()]);
      else if (next < wantedMade && made[next] == wanted[i])
        shown.push_back(out[next++]);
      else if (auto view = kept[wanted[i]]->view(sample))
        shown.push_back(*view);
      else
        return view.takeError();
    }
    if (Error failed = visit(sample, shown))
      return failed;
    for (size_t i = 0; i < made.size(); ++i)
      if (Error failed = stores[i]->append(out[i]))
        return failed;
  }
  for (Operation *op : piece.ops)
    done.insert(op);
  for (size_t i = 0; i < made.size(); ++i)
    kept[made[i]] = std::move(stores[i]);
  dropDead();
  return Error::success();
}
