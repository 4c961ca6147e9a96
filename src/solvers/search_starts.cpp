#include "solvers/search_starts.h"

#include "monge/error.h"

namespace monge {

SearchStarts::SearchStarts(std::int64_t dimension, std::string_view amortise, std::int64_t batch,
                           Random& random)
    : always_guesses_(amortise == "regression" || amortise == "objective"),
      ever_guesses_(amortise != "none"),
      guesses_(dimension,
               amortise == "objective" ? AmortisedConjugate::Loss::objective
                                       : AmortisedConjugate::Loss::regression,
               batch, random),
      table_(at::empty({0, dimension})),
      found_(at::empty({batch, dimension})) {}

bool SearchStarts::wants_table(std::int64_t n) const {
  return !always_guesses_ && n * table_.size(1) <= largest_table;
}

Tensor SearchStarts::begin(const Tensor& y, std::span<const std::int64_t> targets,
                           const Rows& own) {
  Tensor found = rows_in(found_, own);
  if (table_.size(0) == 0) return found.copy_(ever_guesses_ ? guesses_.starts(y) : y);
  const std::int64_t d = table_.size(1);
  const float* table = table_.const_data_ptr<float>();
  float* out = found.data_ptr<float>();
  for (const std::int64_t row : targets.subspan(own.begin, own.count))
    out = std::copy_n(table + row * d, d, out);
  return found;
}

void SearchStarts::add_to(Exchange& exchange) const {
  if (table_.size(0) > 0) exchange.rows(found_);
}

void SearchStarts::keep(const Potential& psi, std::span<const std::int64_t> targets, double rate,
                        const Rows& own, ProcessGroup& group) {
  if (table_.size(0) == 0) {
    if (ever_guesses_)
      guesses_.learn(psi, rows_in(found_, own), rate, Exchange(group, found_.size(0)));
    return;
  }
  const std::int64_t d = table_.size(1);
  float* table = table_.data_ptr<float>();
  const float* found = found_.const_data_ptr<float>();
  for (const std::int64_t row : targets) {
    std::copy_n(found, d, table + row * d);
    found += d;
  }
}

State SearchStarts::state() const {
  State state{{"table", table_}};
  insert_state(state, "guesses", guesses_.state());
  return state;
}

void SearchStarts::restore(const State& state) {
  const Tensor& table = require_tensor(state, "table", "dual");
  if (table.dim() != 2 || table.size(1) != table_.size(1) || table.scalar_type() != at::kFloat)
    fail("dual: tensor 'table'", fmt::format("Float [any, {}]", table_.size(1)),
         fmt::format("{} {}", c10::toString(table.scalar_type()), shape_text(table)));
  table_ = table.clone();
  guesses_.restore(extract_state(state, "guesses"));
}

}  // namespace monge
