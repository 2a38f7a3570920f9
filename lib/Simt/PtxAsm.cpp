// Splits PTX text into statements.
#include "PtxAsm.h"

namespace qcc::simt {

/// Splits at commas that no bracket encloses.
static llvm::SmallVector<llvm::StringRef, 4> splitOperands(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef, 4> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i != text.size(); ++i) {
    depth += text[i] == '{' || text[i] == '[';
    depth -= text[i] == '}' || text[i] == ']';
    // d|p is a value and a predicate.
    if (depth == 0 && (text[i] == ',' || text[i] == '|')) {
      parts.push_back(text.slice(begin, i).trim());
      begin = i + 1;
    }
  }
  if (llvm::StringRef last = text.substr(begin).trim(); !last.empty())
    parts.push_back(last);
  return parts;
}

static PtxOperand parseOperand(llvm::StringRef text) {
  PtxOperand operand;
  operand.isAddress = text.starts_with("[");
  std::string flat;
  for (char c : text)
    if (c != '{' && c != '}' && c != '[' && c != ']')
      flat += c;
  for (llvm::StringRef name : splitOperands(flat)) {
    if (operand.isAddress && name.contains('+')) {
      auto [base, offset] = name.split('+');
      offset.trim().getAsInteger(0, operand.offset);
      name = base.trim();
    }
    operand.names.push_back(name.str());
  }
  return operand;
}

std::optional<llvm::SmallVector<PtxStatement, 0>> parsePtx(llvm::StringRef text) {
  llvm::SmallVector<PtxStatement, 0> statements;
  while (true) {
    text = text.ltrim(" \t\n{}");
    if (text.empty())
      return statements;
    size_t end = text.find_first_of(":;");
    // Qualifiers such as shared::cta have colons too.
    while (end != llvm::StringRef::npos && text.substr(end).starts_with("::"))
      end = text.find_first_of(":;", end + 2);
    if (end == llvm::StringRef::npos)
      return std::nullopt;
    llvm::StringRef body = text.take_front(end).trim();
    PtxStatement statement;
    if (text[end] == ':') {
      statement.label = body.str();
      statements.push_back(std::move(statement));
      text = text.substr(end + 1);
      continue;
    }
    text = text.substr(end + 1);
    if (body.consume_front("@")) {
      statement.negated = body.consume_front("!");
      auto [predicate, rest] = body.split(' ');
      statement.predicate = predicate.str();
      body = rest.trim();
    }
    size_t space = std::min(body.find_first_of(" \t\n"), body.size());
    statement.opcode = body.take_front(space).str();
    for (llvm::StringRef operand : splitOperands(body.substr(space)))
      statement.operands.push_back(parseOperand(operand));
    statements.push_back(std::move(statement));
  }
}

} // namespace qcc::simt
